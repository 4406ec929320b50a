//! `cargo xtask lint`: every check, each run to its end, and one verdict.

use crate::command::Cmd;
use crate::features;
use crate::instructions;
use crate::lean;
use crate::metadata::{Metadata, Package};
use crate::msrv;
use crate::promises;
use crate::report::Report;

pub(crate) fn run() -> Result<(), String> {
    let mut report = Report::default();
    report.run(&Cmd::cargo("fmt").args(["--all", "--check"]));
    report.run(
        &Cmd::cargo("clippy")
            .args(["--workspace", "--all-targets", "--all-features"])
            .args(DENY_WARNINGS),
    );
    each_feature_alone(&mut report);
    report.run(
        &Cmd::cargo("doc")
            .args(["--workspace", "--no-deps", "--all-features"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    );
    dependencies(&mut report);
    msrv::check(&mut report);
    lean::check(&mut report);
    features::check(&mut report);
    promises::check(&mut report);
    instructions::check(&mut report);
    report.finish()
}

/// The workspace run has every feature on, which hides code that needs a feature it does not name.
fn each_feature_alone(report: &mut Report) {
    match Metadata::members() {
        Ok(metadata) => {
            let libraries = metadata.publishable().filter(|package| package.has_library());
            libraries.flat_map(feature_runs).for_each(|command| report.run(&command));
        }
        Err(message) => report.record(Err(message)),
    }
}

fn feature_runs(package: &Package) -> Vec<Cmd> {
    if package.features.is_empty() {
        return Vec::new();
    }
    let bare = Cmd::cargo("clippy")
        .args(["--package", &package.name, "--lib"])
        .arg("--no-default-features");
    let alone = package.features.keys().map(|name| bare.clone().args(["--features", name]));
    std::iter::once(bare.clone()).chain(alone).map(|command| command.args(DENY_WARNINGS)).collect()
}

/// Advisories come from the network; they are apart so that the rest holds without it.
fn dependencies(report: &mut Report) {
    let deny = || Cmd::cargo("deny");
    if deny().arg("--version").probe().is_none() {
        report.leave_out("cargo deny", "cargo-deny is not installed");
        return;
    }
    report.run(&deny().args(["check", "bans", "licenses", "sources"]));

    let fetch = deny().args(["fetch", "db"]);
    match fetch.run() {
        Ok(()) => report.run(&deny().args(["check", "advisories"])),
        Err(message) => report.leave_out(
            "cargo deny check advisories",
            &format!("the advisory database could not be fetched: {message}"),
        ),
    }
}

const DENY_WARNINGS: [&str; 3] = ["--", "-D", "warnings"];

#[cfg(test)]
mod tests {
    use super::feature_runs;
    use crate::metadata::Package;

    fn package(features: &str) -> Package {
        let json = format!(
            r#"{{
                "id": "a", "name": "a", "version": "0.1.0", "rust_version": null,
                "features": {features}, "targets": [], "publish": null
            }}"#
        );
        serde_json::from_str(&json).expect("a package")
    }

    #[test]
    fn each_feature_has_a_run_of_its_own_and_none_has_one_too() {
        let runs: Vec<String> = feature_runs(&package(r#"{ "x": [], "y": ["x"] }"#))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            runs,
            [
                "cargo clippy --package a --lib --no-default-features -- -D warnings",
                "cargo clippy --package a --lib --no-default-features --features x -- -D warnings",
                "cargo clippy --package a --lib --no-default-features --features y -- -D warnings",
            ]
        );
    }

    #[test]
    fn a_package_without_features_was_checked_with_the_workspace() {
        assert!(feature_runs(&package("{}")).is_empty());
    }
}

//! The oldest Rust: what the packages promise against what their dependencies ask for.

use std::collections::{BTreeSet, HashMap};

use crate::command::Cmd;
use crate::metadata::{Metadata, Package};
use crate::report::Report;
use crate::rust_version::RustVersion;

pub(crate) fn check(report: &mut Report) {
    let promise = Metadata::graph().and_then(|graph| {
        let promised = promised_version(&graph)?;
        Ok((graph, promised))
    });
    match promise {
        Ok((graph, promised)) => {
            report.record(dependencies_hold(&graph, promised));
            build_with(promised, report);
        }
        Err(message) => report.record(Err(message)),
    }
}

/// The one `rust-version` of all publishable packages.
fn promised_version(graph: &Metadata) -> Result<RustVersion, String> {
    let mut promised = None;
    for package in graph.publishable() {
        let version = package
            .rust_version
            .ok_or_else(|| format!("`{}` lacks `rust-version.workspace = true`", package.name))?;
        if *promised.get_or_insert(version) != version {
            return Err(format!(
                "`{}` promises Rust {version}, others another; use `rust-version.workspace = true`",
                package.name
            ));
        }
    }
    promised.ok_or_else(|| "no publishable package in the workspace".to_owned())
}

fn dependencies_hold(graph: &Metadata, promised: RustVersion) -> Result<(), String> {
    let dependencies = built_by_users(graph)?;
    let newer: Vec<String> = dependencies
        .iter()
        .filter_map(|package| package.rust_version.map(|needed| (package, needed)))
        .filter(|(_, needed)| *needed > promised)
        .map(|(package, needed)| format!("{} {} needs {needed}", package.name, package.version))
        .collect();
    if newer.is_empty() {
        eprintln!("none of {} packages asks for more than Rust {promised}", dependencies.len());
        return Ok(());
    }
    Err(format!("`rust-version` promises {promised}, but {}", newer.join(", ")))
}

/// What the publishable packages reach through normal and build dependencies.
///
/// Dev-dependencies are left aside: nobody needs them in order to use the packages.
fn built_by_users(graph: &Metadata) -> Result<Vec<&Package>, String> {
    let resolve = graph.resolve.as_ref().ok_or("`cargo metadata` resolved no dependencies")?;
    let edges: HashMap<&str, _> =
        resolve.nodes.iter().map(|node| (node.id.as_str(), &node.deps)).collect();

    let mut reached = BTreeSet::new();
    let mut ahead: Vec<&str> = graph.publishable().map(|package| package.id.as_str()).collect();
    while let Some(id) = ahead.pop() {
        if reached.insert(id) {
            let dependencies = edges.get(id).ok_or_else(|| format!("`{id}` is not resolved"))?;
            let needed = dependencies.iter().filter(|dependency| dependency.reaches_users());
            ahead.extend(needed.map(|dependency| dependency.id.as_str()));
        }
    }
    Ok(graph.packages.iter().filter(|package| reached.contains(package.id.as_str())).collect())
}

/// The manifests can be wrong about what they need; a build is not.
fn build_with(promised: RustVersion, report: &mut Report) {
    let installed = Cmd::new("rustup").args(["toolchain", "list"]).probe().unwrap_or_default();
    match toolchain_of(promised, &installed) {
        Some(toolchain) => report.run(
            &Cmd::new("rustup")
                .args(["run", toolchain, "cargo", "check"])
                .args(["--workspace", "--all-features"]),
        ),
        None => report.leave_out(
            &format!("cargo check with Rust {promised}"),
            "rustup has no such toolchain; clippy's incompatible_msrv still covers std",
        ),
    }
}

fn toolchain_of(version: RustVersion, installed: &str) -> Option<&str> {
    installed.lines().filter_map(|line| line.split_whitespace().next()).find(|toolchain| {
        let number = toolchain.split('-').next().unwrap_or_default();
        number.parse() == Ok(version)
    })
}

#[cfg(test)]
mod tests {
    use super::{dependencies_hold, promised_version, toolchain_of};
    use crate::metadata::Metadata;
    use crate::rust_version::RustVersion;

    fn version(text: &str) -> RustVersion {
        text.parse().expect("a version")
    }

    /// `app` is published and needs `lib`, which needs `deep` in its build script; `app` tests
    /// with `tool`.
    fn graph(lib: &str, deep: &str, tool: &str) -> Metadata {
        let package = |name: &str, rust_version: &str| {
            serde_json::json!({
                "id": name, "name": name, "version": "1.0.0", "rust_version": rust_version,
                "features": {}, "targets": [], "publish": null,
            })
        };
        let edge = |name: &str, kind: Option<&str>| serde_json::json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let graph = serde_json::json!({
            "packages": [
                package("app", "1.88"), package("lib", lib),
                package("deep", deep), package("tool", tool),
            ],
            "workspace_members": ["app"],
            "resolve": { "nodes": [
                { "id": "app", "deps": [edge("lib", None), edge("tool", Some("dev"))] },
                { "id": "lib", "deps": [edge("deep", Some("build"))] },
                { "id": "deep", "deps": [] },
                { "id": "tool", "deps": [] },
            ] },
        });
        serde_json::from_value(graph).expect("metadata")
    }

    #[test]
    fn the_promise_is_read_from_what_is_published() {
        assert_eq!(promised_version(&graph("1.90", "1.90", "1.90")), Ok(version("1.88")));
    }

    #[test]
    fn older_dependencies_hold() {
        assert!(dependencies_hold(&graph("1.88.0", "1.9", "1.60"), version("1.88")).is_ok());
    }

    #[test]
    fn a_newer_dependency_is_named_however_deep_it_is() {
        let direct = dependencies_hold(&graph("1.89", "1.60", "1.60"), version("1.88"));
        assert!(direct.is_err_and(|message| message.contains("lib 1.0.0 needs 1.89.0")));

        let deep = dependencies_hold(&graph("1.60", "1.88.1", "1.60"), version("1.88"));
        assert!(deep.is_err_and(|message| message.contains("deep 1.0.0 needs 1.88.1")));
    }

    #[test]
    fn what_only_tests_need_may_be_newer() {
        assert!(dependencies_hold(&graph("1.60", "1.60", "1.95"), version("1.88")).is_ok());
    }

    #[test]
    fn finds_the_toolchain_under_either_name() {
        let installed = "stable-x86_64-unknown-linux-gnu (active, default)\n\
                         1.8.0-x86_64-unknown-linux-gnu\n\
                         1.88-x86_64-unknown-linux-gnu\n";
        let found = toolchain_of(version("1.88.0"), installed);
        assert_eq!(found, Some("1.88-x86_64-unknown-linux-gnu"));
        assert_eq!(toolchain_of(version("1.89"), installed), None);
        assert_eq!(toolchain_of(version("1.88"), ""), None);
    }
}

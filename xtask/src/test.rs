//! `cargo xtask test`: the programs tests drive, then unit and integration tests, then doctests.

use crate::command::Cmd;
use crate::metadata::Metadata;
use crate::provision;

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let selection = Selection::parse(arguments)?;
    provision::provide(|package| selection.may_include(package))?;

    if Cmd::cargo("nextest").arg("--version").probe().is_some() {
        selection.with_nextest().run()?;
    } else {
        selection.with_cargo().run()?;
    }
    if selection.has_doctests()? { selection.doctests().run() } else { Ok(()) }
}

/// Which packages to test, and what else the runner is told.
#[derive(Debug, PartialEq, Eq)]
struct Selection {
    packages: Vec<String>,
    runner: Vec<String>,
}

impl Selection {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut packages = Vec::new();
        let mut runner = Vec::new();
        // A leading `--` ends our own arguments, a later one those of the runner.
        let own_end = usize::from(arguments.first().is_some_and(|first| first == "--"));
        let mut rest = arguments[own_end..].iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--" => {
                    runner.push(argument.clone());
                    runner.extend(rest.by_ref().cloned());
                }
                "-p" | "--package" => {
                    let name = rest.next().ok_or_else(|| format!("{argument} needs a package"))?;
                    packages.push(name.clone());
                }
                other => match glued_package(other) {
                    Some(name) => packages.push(name.to_owned()),
                    None => runner.push(argument.clone()),
                },
            }
        }
        Ok(Self { packages, runner })
    }

    fn with_nextest(&self) -> Cmd {
        let command = Cmd::cargo("nextest").arg("run").args(self.scope()).arg("--all-features");
        // Some packages have doctests alone; in the whole workspace no test at all is a mistake.
        let may_be_empty = !self.packages.is_empty() && !self.tells_runner("--no-tests");
        let command = if may_be_empty { command.arg("--no-tests=warn") } else { command };
        command.args(&self.runner)
    }

    fn with_cargo(&self) -> Cmd {
        let command = Cmd::cargo("test").args(self.scope()).arg("--all-features");
        // Libraries and binaries are among `--tests`, which, unlike `--lib`, may match nothing.
        // Benchmarks are not: they measure, and would only take time here.
        let targets = ["--tests", "--examples"];
        let command = if self.names_targets() { command } else { command.args(targets) };
        command.args(&self.runner)
    }

    fn doctests(&self) -> Cmd {
        Cmd::cargo("test").args(self.scope()).args(["--all-features", "--doc"])
    }

    /// Asked first, because `cargo test --doc` fails where there is no library.
    fn has_doctests(&self) -> Result<bool, String> {
        if self.names_targets() {
            return Ok(false);
        }
        if self.packages.is_empty() {
            return Ok(true);
        }
        let metadata = Metadata::members()?;
        let mut libraries = metadata.packages.iter().filter(|package| package.has_library());
        Ok(libraries.any(|package| self.may_include(&package.name)))
    }

    fn may_include(&self, package: &str) -> bool {
        let names = |spec: &String| spec == package || !is_plain_name(spec);
        self.packages.is_empty() || self.packages.iter().any(names)
    }

    /// Cargo ignores `--package` beside `--workspace`.
    fn scope(&self) -> Vec<&str> {
        if self.packages.is_empty() {
            return vec!["--workspace"];
        }
        self.packages.iter().flat_map(|package| ["--package", package]).collect()
    }

    fn names_targets(&self) -> bool {
        TARGET_FLAGS.iter().any(|flag| self.tells_runner(flag))
    }

    fn tells_runner(&self, flag: &str) -> bool {
        self.runner
            .iter()
            .take_while(|argument| *argument != "--")
            .any(|argument| argument.split('=').next() == Some(flag))
    }
}

/// The name in `-pname`, `-p=name` and `--package=name`.
fn glued_package(argument: &str) -> Option<&str> {
    argument.strip_prefix("--package=").or_else(|| {
        let name = argument.strip_prefix("-p")?;
        Some(name.strip_prefix('=').unwrap_or(name))
    })
}

/// Packages can be named by pattern, version or URL too; what those match is for cargo to say.
fn is_plain_name(spec: &str) -> bool {
    spec.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

#[rustfmt::skip]
const TARGET_FLAGS: [&str; 9] = [
    "--lib", "--bins", "--bin", "--tests", "--test", "--examples", "--example", "--benches", "--bench",
];

#[cfg(test)]
mod tests {
    use super::Selection;

    fn selection(line: &str) -> Selection {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Selection::parse(&words).expect("a selection")
    }

    #[test]
    fn without_arguments_the_whole_workspace_is_tested() {
        let all = selection("");
        assert_eq!(all.with_nextest().to_string(), "cargo nextest run --workspace --all-features");
        assert_eq!(
            all.with_cargo().to_string(),
            "cargo test --workspace --all-features --tests --examples"
        );
        assert_eq!(all.doctests().to_string(), "cargo test --workspace --all-features --doc");
        assert_eq!(all.has_doctests(), Ok(true));
        assert!(all.may_include("portal"));
    }

    #[test]
    fn packages_narrow_tests_and_doctests_alike() {
        for line in ["-p a --package b", "-- -p a -p b", "-pa --package=b", "-p=a -pb"] {
            let chosen = selection(line);
            assert_eq!(chosen.packages, ["a", "b"], "{line}");
            assert_eq!(
                chosen.with_nextest().to_string(),
                "cargo nextest run --package a --package b --all-features --no-tests=warn"
            );
            assert_eq!(
                chosen.doctests().to_string(),
                "cargo test --package a --package b --all-features --doc"
            );
        }
    }

    #[test]
    fn other_arguments_go_to_the_runner_untouched() {
        let chosen = selection("rotate -p a --no-fail-fast -- -p --nocapture");
        assert_eq!(chosen.packages, ["a"]);
        assert_eq!(chosen.runner, ["rotate", "--no-fail-fast", "--", "-p", "--nocapture"]);
    }

    #[test]
    fn a_leading_separator_is_ours_and_a_second_one_the_runners() {
        assert_eq!(selection("-- rotate").runner, ["rotate"]);
        assert_eq!(selection("-- -- --nocapture").runner, ["--", "--nocapture"]);
    }

    #[test]
    fn chosen_targets_replace_ours_and_leave_out_doctests() {
        let chosen = selection("-p a --test=conformance");
        assert_eq!(
            chosen.with_cargo().to_string(),
            "cargo test --package a --all-features --test=conformance"
        );
        assert_eq!(chosen.has_doctests(), Ok(false));
        assert!(!selection("-p a -- --test").names_targets());
    }

    #[test]
    fn a_choice_about_missing_tests_is_kept() {
        let command = selection("-p a --no-tests=fail").with_nextest().to_string();
        assert_eq!(command, "cargo nextest run --package a --all-features --no-tests=fail");
    }

    #[test]
    fn only_a_plain_name_excludes_the_other_packages() {
        assert!(!selection("-p session-core").may_include("portal"));
        assert!(selection("-p session-core -p portal").may_include("portal"));
        assert!(selection("-p port*").may_include("portal"));
    }

    #[test]
    fn a_package_flag_without_a_name_is_refused() {
        assert!(Selection::parse(&["-p".to_owned()]).is_err());
    }
}

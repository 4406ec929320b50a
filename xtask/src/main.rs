//! The development commands: `cargo xtask test`, `cargo xtask lint`, `cargo xtask ci`,
//! `cargo xtask bench`.

mod test;

mod bench;

mod provision;

mod lint;

mod report;

mod msrv;

mod rust_version;

mod lean;

mod promises;

mod metadata;

mod command;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match Task::parse(&arguments) {
        Some(Task::Test(arguments)) => test::run(arguments),
        Some(Task::Lint) => lint::run(),
        Some(Task::Bench(arguments)) => bench::run(arguments),
        Some(Task::Ci) => lint::run().and_then(|()| test::run(&[])),
        None => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Task<'a> {
    Test(&'a [String]),
    Bench(&'a [String]),
    Lint,
    Ci,
}

impl<'a> Task<'a> {
    fn parse(arguments: &'a [String]) -> Option<Self> {
        let (word, rest) = arguments.split_first()?;
        match (word.as_str(), rest) {
            ("test", rest) => Some(Self::Test(rest)),
            ("bench", rest) => Some(Self::Bench(rest)),
            ("lint", []) => Some(Self::Lint),
            ("ci", []) => Some(Self::Ci),
            _ => None,
        }
    }
}

const USAGE: &str = "\
Usage: cargo xtask <command>

Commands:
  test [--] [ARGS]  Install what the tests need, then run every test and doctest.
                    ARGS go to the test runner: cargo-nextest where it is
                    installed, `cargo test` otherwise. `-p <package>` narrows
                    the doctests too.
  lint              Formatting, clippy (each feature alone too), documentation,
                    licences and advisories, the oldest supported Rust, and what
                    a lean build pulls in.
  ci                lint, then test.
  bench [ARGS]      session-kit beside its peers: CPU, latency, Redis, lost updates,
                    memory. `--quick` takes a minute or two; `latency` and `scaling`
                    are further experiments; `--help` shows the rest.
";

#[cfg(test)]
mod tests {
    use super::Task;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn test_and_bench_take_whatever_follows() {
        let arguments = words("test -p session-core -- --nocapture");
        assert_eq!(Task::parse(&arguments), Some(Task::Test(&arguments[1..])));
        let arguments = words("bench latency --quick");
        assert_eq!(Task::parse(&arguments), Some(Task::Bench(&arguments[1..])));
    }

    #[test]
    fn other_tasks_take_nothing() {
        assert_eq!(Task::parse(&words("lint")), Some(Task::Lint));
        assert_eq!(Task::parse(&words("ci")), Some(Task::Ci));
        assert_eq!(Task::parse(&words("lint --fix")), None);
    }

    #[test]
    fn no_word_and_an_unknown_word_ask_for_the_usage() {
        assert_eq!(Task::parse(&[]), None);
        assert_eq!(Task::parse(&words("tset")), None);
    }
}

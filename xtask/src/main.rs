//! The development commands: `cargo xtask test`, `cargo xtask lint`, `cargo xtask ci`,
//! `cargo xtask bench`, `cargo xtask features`, `cargo xtask instructions`, `cargo xtask schema`.

mod test;

mod bench;

mod provision;

mod lint;

mod report;

mod msrv;

mod rust_version;

mod lean;

mod features;

mod instructions;

mod promises;

mod metadata;

mod command;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match Task::parse(&arguments) {
        Some(Task::Test(arguments)) => test::run(arguments),
        Some(Task::Lint) => lint::run(),
        Some(Task::Schema) => schema(),
        Some(Task::Bench(arguments)) => bench::run(arguments),
        Some(Task::Ci) => lint::run().and_then(|()| test::run(&[])),
        Some(Task::Features) => features::run(),
        Some(Task::Instructions) => instructions::run(),
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
    Features,
    Instructions,
    Schema,
}

impl<'a> Task<'a> {
    fn parse(arguments: &'a [String]) -> Option<Self> {
        let (word, rest) = arguments.split_first()?;
        match (word.as_str(), rest) {
            ("test", rest) => Some(Self::Test(rest)),
            ("bench", rest) => Some(Self::Bench(rest)),
            ("lint", []) => Some(Self::Lint),
            ("ci", []) => Some(Self::Ci),
            ("features", []) => Some(Self::Features),
            ("instructions", []) => Some(Self::Instructions),
            ("schema", []) => Some(Self::Schema),
            _ => None,
        }
    }
}

/// The test that finds the file out of date writes it when it is told to.
fn schema() -> Result<(), String> {
    command::Cmd::cargo("test")
        .args(["--package", "session-kit", "--all-features", "--lib"])
        .arg("the_file_for_editors_is_up_to_date")
        .env("UPDATE", "1")
        .run()
}

const USAGE: &str = "\
Usage: cargo xtask <command>

Commands:
  test [--] [ARGS]  Install what the tests need, then run every test and doctest.
                    ARGS go to the test runner: cargo-nextest where it is
                    installed, `cargo test` otherwise. `-p <package>` narrows
                    the doctests too.
  lint              Formatting, clippy (each feature alone too), documentation,
                    licences and advisories, the oldest supported Rust, what a lean
                    build pulls in, and the instructions of a request.
  ci                lint, then test.
  features          Measure what each feature adds, and tell so in the README.
  instructions      Count the instructions of whole requests (valgrind must be
                    installed), and write them down as what lint expects.
  schema            Write session-kit.schema.json anew; the tests tell when that
                    is due.
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
        assert_eq!(Task::parse(&words("features")), Some(Task::Features));
        assert_eq!(Task::parse(&words("instructions")), Some(Task::Instructions));
        assert_eq!(Task::parse(&words("schema")), Some(Task::Schema));
        assert_eq!(Task::parse(&words("lint --fix")), None);
    }

    #[test]
    fn no_word_and_an_unknown_word_ask_for_the_usage() {
        assert_eq!(Task::parse(&[]), None);
        assert_eq!(Task::parse(&words("tset")), None);
    }
}

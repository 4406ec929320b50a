//! What a run of checks found: all of it, rather than the first failure.

use crate::command::Cmd;

#[derive(Debug, Default)]
pub(crate) struct Report {
    passed: usize,
    failures: Vec<String>,
    left_out: Vec<String>,
}

impl Report {
    pub(crate) fn run(&mut self, command: &Cmd) {
        self.record(command.run());
    }

    pub(crate) fn record(&mut self, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(message) => {
                eprintln!("FAILED: {message}");
                self.failures.push(message);
            }
        }
    }

    pub(crate) fn leave_out(&mut self, what: &str, why: &str) {
        let line = format!("{what}: {why}");
        eprintln!("\nLEFT OUT: {line}");
        self.left_out.push(line);
    }

    /// Repeats what went wrong or was not done, which by now has scrolled away.
    pub(crate) fn finish(self) -> Result<(), String> {
        let Self { passed, failures, left_out } = self;
        eprintln!("\n{passed} passed, {} failed, {} left out", failures.len(), left_out.len());
        left_out.iter().for_each(|line| eprintln!("left out: {line}"));
        failures.iter().for_each(|line| eprintln!("failed: {line}"));
        if failures.is_empty() { Ok(()) } else { Err("lint failed".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn one_failure_among_others_fails_the_whole() {
        let mut report = Report::default();
        report.record(Err("broken".to_owned()));
        report.record(Ok(()));
        assert!(report.finish().is_err());
    }

    #[test]
    fn what_is_left_out_does_not_fail() {
        let mut report = Report::default();
        report.record(Ok(()));
        report.leave_out("a check", "its tool is not installed");
        assert!(report.finish().is_ok());
    }
}

//! What to run, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt as _};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) command: Command,
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    /// A part of the names of variants; floors and limits take part anyway.
    pub(crate) only: Option<String>,
    /// Where results go, if not to the standard output alone.
    pub(crate) write: Option<PathBuf>,
    /// The largest number of sessions in the scaling experiment.
    pub(crate) sessions: usize,
    /// As it was given, for the report.
    pub(crate) line: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Compare,
    Latency,
    Scaling,
}

pub(crate) const USAGE: &str = "\
Usage: cargo xtask bench [latency | scaling] [OPTIONS]

  (no word)         All variants beside each other: CPU, throughput, latency, Redis, lost updates, memory.
  latency           Log-outs seen elsewhere, stampedes, a population larger than the cache.
  scaling           Bytes per session by their number; what nodes on one Redis cost.

Options:
  --quick           Few variants, one short round: for every day, not for publication.
  --rounds N        How often everything is measured (5).
  --only PATTERN    Variants with this in their name, beside floors and limits.
  --sessions N      scaling: up to so many sessions (1000000).
  --write FOLDER    Writes tables, JSON and plots there too (such as benches/results).
";

impl Options {
    pub(crate) fn parse(mut arguments: Parser) -> Result<Self, lexopt::Error> {
        let mut options = Self {
            command: Command::Compare,
            quick: false,
            rounds: 0,
            only: None,
            write: None,
            sessions: 1_000_000,
            line: String::new(),
        };
        let mut line = vec!["cargo xtask bench".to_owned()];
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("help") => return Err("what can be asked for:".into()),
                Arg::Value(word) if word == "latency" => options.command = Command::Latency,
                Arg::Value(word) if word == "scaling" => options.command = Command::Scaling,
                Arg::Long("quick") => options.quick = true,
                Arg::Long("rounds") => options.rounds = arguments.value()?.parse()?,
                Arg::Long("only") => options.only = Some(arguments.value()?.string()?),
                Arg::Long("sessions") => options.sessions = arguments.value()?.parse()?,
                Arg::Long("write") => options.write = Some(arguments.value()?.into()),
                other => return Err(other.unexpected()),
            }
        }
        if options.rounds == 0 {
            options.rounds = if options.quick { 1 } else { 5 };
        }
        match options.command {
            Command::Compare => line.push(format!("--rounds {}", options.rounds)),
            Command::Latency => line.push("latency".to_owned()),
            Command::Scaling => line.push(format!("scaling --sessions {}", options.sessions)),
        }
        line.extend(options.quick.then(|| "--quick".to_owned()));
        line.extend(options.only.as_ref().map(|only| format!("--only {only}")));
        options.line = line.join(" ");
        Ok(options)
    }

    /// How long one cell is measured.
    pub(crate) fn cell(&self) -> Duration {
        Duration::from_millis(if self.quick { 500 } else { 2_000 })
    }

    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_millis(if self.quick { 100 } else { 300 })
    }

    /// How many sessions the memory of an idle one is told from.
    pub(crate) fn idle_sessions(&self) -> usize {
        if self.quick { 20_000 } else { 100_000 }
    }

    /// How often increments are raced.
    pub(crate) fn races(&self) -> usize {
        if self.quick { 1 } else { 3 }
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, Options};

    fn parse(line: &str) -> Result<Options, lexopt::Error> {
        Options::parse(lexopt::Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn the_line_repeats_what_was_asked_for() {
        let options = parse("--only redis --quick").expect("options");
        assert_eq!(options.line, "cargo xtask bench --rounds 1 --quick --only redis");
        let options = parse("scaling --sessions 100").expect("options");
        assert_eq!((options.command, options.rounds), (Command::Scaling, 5));
        assert_eq!(options.line, "cargo xtask bench scaling --sessions 100");
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert!(parse("latencies").is_err());
        assert!(parse("--round 3").is_err());
    }
}

//! What the portal is told on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::Arg::Long;
use lexopt::{Parser, ValueExt as _};
use portal::DebugHeaders;

pub(crate) const USAGE: &str = "\
Usage: portal [--config FILE] [--listen ADDRESS] [--framework NAME] [--debug-headers]

  --config FILE     where sessions are kept and how long they live (TOML);
                    without it in this process, with a cookie that needs no TLS
  --listen ADDRESS  where to listen, 127.0.0.1:3000 if not told; port 0 picks a free one
  --framework NAME  what to serve through: axum, if not told, or actix
  --debug-headers   say in every response where its session was read from:
                    x-session-source: none | local | shared
  --help            show this
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Serve(Arguments),
    Help,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) config: Option<PathBuf>,
    pub(crate) listen: SocketAddr,
    pub(crate) framework: Framework,
    pub(crate) debug_headers: DebugHeaders,
}

/// What HTTP is served through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Framework {
    #[default]
    Axum,
    Actix,
}

impl Asked {
    pub(crate) fn parse(mut parser: Parser) -> Result<Self, lexopt::Error> {
        let mut arguments = Arguments {
            config: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 3000)),
            framework: Framework::default(),
            debug_headers: DebugHeaders::Off,
        };
        while let Some(argument) = parser.next()? {
            match argument {
                Long("config") => arguments.config = Some(parser.value()?.into()),
                Long("listen") => arguments.listen = parser.value()?.parse()?,
                Long("framework") => arguments.framework = parser.value()?.parse()?,
                Long("debug-headers") => arguments.debug_headers = DebugHeaders::On,
                Long("help") => return Ok(Self::Help),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Self::Serve(arguments))
    }
}

impl FromStr for Framework {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "axum" => Ok(Self::Axum),
            "actix" => Ok(Self::Actix),
            _ => Err(format!("there is no framework {name:?} here, but `axum` and `actix`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Asked, String> {
        Asked::parse(Parser::from_args(line.split_whitespace())).map_err(|error| error.to_string())
    }

    #[test]
    fn everything_has_a_default() {
        let expected = Arguments {
            config: None,
            listen: "127.0.0.1:3000".parse().unwrap(),
            framework: Framework::Axum,
            debug_headers: DebugHeaders::Off,
        };
        assert_eq!(parse(""), Ok(Asked::Serve(expected)));
    }

    #[test]
    fn everything_can_be_told() {
        let expected = Arguments {
            config: Some("a.toml".into()),
            listen: "[::1]:0".parse().unwrap(),
            framework: Framework::Actix,
            debug_headers: DebugHeaders::On,
        };
        let line = "--config=a.toml --listen [::1]:0 --framework actix --debug-headers";
        assert_eq!(parse(line), Ok(Asked::Serve(expected)));
        assert_eq!(parse("--listen [::1]:0 --help"), Ok(Asked::Help));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (line, word) in [
            ("--listen here", "here"),
            ("--listen", "--listen"),
            ("--framework Axum", "`axum`"),
            ("--framework rocket", "rocket"),
            ("--port 1", "--port"),
            ("config.toml", "config.toml"),
            ("-c", "-c"),
            ("--debug-headers=no", "no"),
        ] {
            let message = parse(line).unwrap_err();
            assert!(message.contains(word), "{line}: {message}");
        }
    }
}

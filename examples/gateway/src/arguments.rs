//! What the gateway is told on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use lexopt::Arg::Long;
use lexopt::{Parser, ValueExt as _};

pub(crate) const USAGE: &str = "\
Usage: gateway --config FILE [--listen ADDRESS]

  --config FILE     where sessions are kept (TOML): what the service that signs people in
                    has, or a gateway knows nobody
  --listen ADDRESS  where to listen, 127.0.0.1:4000 if not told; port 0 picks a free one.
                    For proxies alone: whoever else reaches it learns nothing but who
                    they are themselves, and need not
  --help            show this
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Serve { config: PathBuf, listen: SocketAddr },
    Help,
}

impl Asked {
    pub(crate) fn parse(mut parser: Parser) -> Result<Self, lexopt::Error> {
        let (mut config, mut listen) = (None, SocketAddr::from(([127, 0, 0, 1], 4000)));
        while let Some(argument) = parser.next()? {
            match argument {
                Long("config") => config = Some(parser.value()?.into()),
                Long("listen") => listen = parser.value()?.parse()?,
                Long("help") => return Ok(Self::Help),
                other => return Err(other.unexpected()),
            }
        }
        let config = config.ok_or("--config is missing: sessions are somewhere")?;
        Ok(Self::Serve { config, listen })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Asked, String> {
        Asked::parse(Parser::from_args(line.split_whitespace())).map_err(|error| error.to_string())
    }

    #[test]
    fn the_configuration_has_to_be_told() {
        let serve = |listen: &str| Asked::Serve {
            config: "a.toml".into(),
            listen: listen.parse().unwrap(),
        };
        assert_eq!(parse("--config a.toml"), Ok(serve("127.0.0.1:4000")));
        assert_eq!(parse("--listen [::1]:0 --config=a.toml"), Ok(serve("[::1]:0")));
        assert_eq!(parse("--help"), Ok(Asked::Help));
        for (line, word) in
            [("", "--config"), ("--config a --listen here", "here"), ("a.toml", "a.toml")]
        {
            let message = parse(line).unwrap_err();
            assert!(message.contains(word), "{line}: {message}");
        }
    }
}

//! What a failure of Redis means to a caller. Decided by code, never by a message: those quote
//! keys and values.

use std::io;

use redis::{ErrorKind as RedisErrorKind, RedisError};
use session_core::{Error, ErrorKind};

/// In place of a code, when too few replicas have confirmed a write.
pub(crate) const NOT_REPLICATED: &str = "NOTREPLICATED";

/// Why something failed; many calls may fail for the one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: ErrorKind,
    message: String,
    /// The server's word for it.
    code: Option<Box<str>>,
}

impl Failure {
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Unavailable, message: message.into(), code: None }
    }

    pub(crate) fn timeout(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Timeout, message: message.into(), code: None }
    }

    pub(crate) fn is_timeout(&self) -> bool {
        self.kind == ErrorKind::Timeout
    }

    /// What the server means by this code.
    pub(crate) fn refused(code: &str) -> Self {
        let (kind, message) = match code {
            "OOM" => (ErrorKind::Full, "the server is out of memory"),
            "WRONGTYPE" | "CORRUPT" => {
                (ErrorKind::Corrupt, "what lies under the key is no session")
            }
            "LATE" => {
                (ErrorKind::Timeout, "the write came too late to be listed under its subject")
            }
            "TAKEN" => (ErrorKind::Misuse, "the key to rotate to is taken"),
            "SCRIPT" => return too_old(),
            "NOAUTH" | "WRONGPASS" => {
                (ErrorKind::Unavailable, "the server refuses user or password")
            }
            "NOPERM" => (ErrorKind::Unavailable, "the user lacks a permission on the server"),
            "LOADING" => (ErrorKind::Unavailable, "the server is still loading its data"),
            "MISCONF" => (ErrorKind::Unavailable, "the server cannot persist, and takes no writes"),
            "NOREPLICAS" => {
                (ErrorKind::Unavailable, "too few replicas for the server to take writes")
            }
            NOT_REPLICATED => {
                (ErrorKind::NotReplicated, "too few replicas have confirmed the write in time")
            }
            "READONLY" => (ErrorKind::Unavailable, "the server is a replica"),
            "MASTERDOWN" => (ErrorKind::Unavailable, "the replica has lost its primary"),
            "CLUSTERDOWN" => (ErrorKind::Unavailable, "the Cluster, or this part of it, is down"),
            "MOVED" | "ASK" | "TRYAGAIN" => (ErrorKind::Unavailable, "the slot is moving"),
            "BUSY" => {
                (ErrorKind::Unavailable, "the server is busy with a script that does not end")
            }
            "MAXCLIENTS" => (ErrorKind::Unavailable, "the server has too many clients"),
            "NODB" => (ErrorKind::Unavailable, "the server has no database of that number"),
            _ => (ErrorKind::Unavailable, "the server refused the call"),
        };
        Self { kind, message: message.to_owned(), code: Some(code.into()) }
    }

    /// A server that took the call for nonsense, or answered with some.
    pub(crate) fn strange_reply() -> Self {
        Self::unavailable("the server's answer is none that this call can have")
    }
}

impl From<Failure> for Error {
    fn from(Failure { kind, message, code }: Failure) -> Self {
        let error = Self::new(kind, message);
        match code {
            Some(code) => error.with("code", code),
            None => error,
        }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            RedisErrorKind::Io => io_failure(&error),
            RedisErrorKind::AuthenticationFailed => Self::refused("WRONGPASS"),
            RedisErrorKind::Parse => Self::unavailable("the server does not speak as Redis does"),
            RedisErrorKind::RESP3NotSupported => too_old(),
            _ => match code(&error) {
                Some(code) => Self::refused(code),
                None => Self::unavailable("the client library refused the call"),
            },
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::unavailable(format!("cannot connect: {error}"))
    }
}

/// The server's code, or the one it should have had.
pub(crate) fn code(error: &RedisError) -> Option<&str> {
    let code = error.code()?;
    // What one wants to tell from each other, and has no code of its own.
    match error.detail() {
        Some(detail) if code == "ERR" && detail.contains("max number of clients") => {
            Some("MAXCLIENTS")
        }
        // What a script does is up to the user's permissions, too.
        Some(detail)
            if code == "ERR"
                && (detail.starts_with("The user executing the script can't")
                    || detail.contains("ACL failure in script")) =>
        {
            Some("NOPERM")
        }
        Some(detail) if code == "ERR" && detail.contains("DB index is out of range") => {
            Some("NODB")
        }
        Some(detail) if code == "ERR" && detail.contains("compiling script") => Some("SCRIPT"),
        _ => Some(code),
    }
}

fn too_old() -> Failure {
    Failure::unavailable("the server is too old: Redis 7.0 or later, or Valkey, is needed")
}

fn io_failure(error: &RedisError) -> Failure {
    if error.is_timeout() {
        return Failure::timeout("the server did not answer in time");
    }
    if error.is_connection_refusal() {
        return Failure::unavailable("the connection was refused");
    }
    Failure::unavailable("the connection was lost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Failure {
        let (code, detail) = text.split_once(' ').unwrap();
        redis::make_extension_error(code.to_owned(), Some(detail.to_owned())).into()
    }

    #[test]
    fn refusals_are_told_apart_by_code() {
        for (text, kind, code) in [
            ("OOM command not allowed", ErrorKind::Full, "OOM"),
            ("WRONGTYPE Operation against", ErrorKind::Corrupt, "WRONGTYPE"),
            ("LOADING Redis is loading", ErrorKind::Unavailable, "LOADING"),
            ("MISCONF Redis is configured", ErrorKind::Unavailable, "MISCONF"),
            ("NOREPLICAS Not enough", ErrorKind::Unavailable, "NOREPLICAS"),
            ("NOTREPLICATED in time", ErrorKind::NotReplicated, NOT_REPLICATED),
            ("READONLY You can't write", ErrorKind::Unavailable, "READONLY"),
            ("CLUSTERDOWN The cluster", ErrorKind::Unavailable, "CLUSTERDOWN"),
            ("ERR max number of clients reached", ErrorKind::Unavailable, "MAXCLIENTS"),
            (
                "ERR The user executing the script can't publish to the channel",
                ErrorKind::Unavailable,
                "NOPERM",
            ),
            ("ERR DB index is out of range", ErrorKind::Unavailable, "NODB"),
            ("ERR unknown command", ErrorKind::Unavailable, "ERR"),
        ] {
            let failure = reply(text);
            assert_eq!((failure.kind, failure.code.as_deref()), (kind, Some(code)), "{text}");
        }
    }

    #[test]
    fn no_word_of_the_servers_message_is_passed_on() {
        let failure = reply("ERR unknown command 'hunter2', with args beginning with: 'hunter2'");
        let error = Error::from(failure);
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

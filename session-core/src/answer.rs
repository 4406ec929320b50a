//! What a client is told of an error.

use crate::error::{Error, ErrorKind};

/// What a client is told of an error of its session, whatever the framework: the adapters make a
/// response of it.
///
/// | kind | status | code |
/// |---|---|---|
/// | gone | 401 | `session_gone` |
/// | limit reached | 403 | `session_limit` |
/// | too large | 413 | `too_large` |
/// | unavailable, timeout, not replicated, full, conflict, misconfigured | 503, `Retry-After: 1` | `store_unavailable` |
/// | all else | 500 | `internal` |
///
/// ```
/// use session_core::{Error, ErrorAnswer, ErrorKind};
///
/// let answer = ErrorAnswer::of(&Error::new(ErrorKind::Timeout, "no answer from 10.0.0.7"));
/// assert_eq!(answer.status, 503);
/// assert_eq!(
///     answer.json(),
///     r#"{"error":"store_unavailable","message":"sessions are out of reach at the moment"}"#
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorAnswer {
    /// The status (RFC 9110, section 15).
    pub status: u16,
    /// For programs: one `snake_case` word, stable.
    pub code: &'static str,
    /// For people. It tells nothing of the error itself.
    pub message: &'static str,
}

impl ErrorAnswer {
    /// The answer to a request that failed by this error.
    pub fn of(error: &Error) -> Self {
        let (status, code, message) = match error.kind() {
            ErrorKind::Gone => (401, "session_gone", "this session has ended"),
            ErrorKind::LimitReached => {
                (403, "session_limit", "this user is signed in too often already")
            }
            ErrorKind::TooLarge => (413, "too_large", "this is more than a session holds"),
            // Misconfigured is what a store is that lacks its tables: out of reach, for a client.
            ErrorKind::Unavailable
            | ErrorKind::Timeout
            | ErrorKind::NotReplicated
            | ErrorKind::Full
            | ErrorKind::Conflict
            | ErrorKind::Misconfigured => {
                (503, "store_unavailable", "sessions are out of reach at the moment")
            }
            ErrorKind::Corrupt
            | ErrorKind::Value
            | ErrorKind::Misuse
            | ErrorKind::Unsupported
            | ErrorKind::Entropy => (500, "internal", "this session cannot be used"),
        };
        Self { status, code, message }
    }

    /// Whether the client has brought it about, and the operator need not be told.
    pub const fn is_the_clients_doing(self) -> bool {
        self.status < 500
    }

    /// The value of `Retry-After`, in seconds, for what passes.
    pub const fn retry_after(self) -> Option<&'static str> {
        if self.status == 503 { Some("1") } else { None }
    }

    /// `{"error": code, "message": text}`.
    pub fn json(self) -> String {
        let Self { status: _, code, message } = self;
        format!(r#"{{"error":"{code}","message":"{message}"}}"#)
    }
}

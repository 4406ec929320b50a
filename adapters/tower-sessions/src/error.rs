//! Errors as those of tower-sessions.

use session_core::{Error, ErrorKind};
use tower_sessions_core::session_store;

/// The text alone: theirs keep no source. It holds no id and no value.
pub(crate) fn error(error: Error) -> session_store::Error {
    match error.kind() {
        ErrorKind::Value | ErrorKind::TooLarge => session_store::Error::Encode(error.to_string()),
        ErrorKind::Corrupt => session_store::Error::Decode(error.to_string()),
        _ => session_store::Error::Backend(error.to_string()),
    }
}

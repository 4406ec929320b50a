//! Errors as those of actix-session.

use actix_session::storage::{LoadError, SaveError, UpdateError};
use session_core::{Error, ErrorKind};

/// Never as one of deserialization: for that the middleware makes an empty session, and saves it
/// over the one that could not be read.
pub(crate) fn load_error(error: Error) -> LoadError {
    LoadError::Other(error.into())
}

pub(crate) fn save_error(error: Error) -> SaveError {
    match error.kind() {
        ErrorKind::Value | ErrorKind::TooLarge => SaveError::Serialization(error.into()),
        _ => SaveError::Other(error.into()),
    }
}

pub(crate) fn update_error(error: Error) -> UpdateError {
    match error.kind() {
        ErrorKind::Value | ErrorKind::TooLarge => UpdateError::Serialization(error.into()),
        _ => UpdateError::Other(error.into()),
    }
}

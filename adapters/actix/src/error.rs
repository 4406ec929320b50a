//! Errors as responses.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use session_core::{Error, ErrorKind};

/// Makes the response to a session that could not be saved.
///
/// Any function from an [`Error`] to a response will do.
pub trait ErrorResponder {
    /// The response.
    fn respond(&self, error: &Error) -> HttpResponse;
}

impl<F> ErrorResponder for F
where
    F: Fn(&Error) -> HttpResponse,
{
    fn respond(&self, error: &Error) -> HttpResponse {
        self(error)
    }
}

/// Answers `{"error": code, "message": text}`.
///
/// | kind | status | code |
/// |---|---|---|
/// | gone | 401 | `session_gone` |
/// | limit reached | 403 | `session_limit` |
/// | too large | 413 | `too_large` |
/// | unavailable, timeout, full, conflict | 503, `Retry-After: 1` | `store_unavailable` |
/// | all else | 500 | `internal` |
///
/// The client is told no more than that. The operator is: whatever is not the client's own doing
/// is logged as a warning.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonErrors;

impl ErrorResponder for JsonErrors {
    fn respond(&self, error: &Error) -> HttpResponse {
        let (status, code, message) = told(error.kind());
        let is_the_clients =
            matches!(error.kind(), ErrorKind::Gone | ErrorKind::LimitReached | ErrorKind::TooLarge);
        if !is_the_clients {
            tracing::warn!(%error, "a session could not be loaded or saved");
        }
        let mut response = HttpResponse::build(status);
        response.insert_header((CONTENT_TYPE, "application/json"));
        response.insert_header((CACHE_CONTROL, "no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, "1"));
        }
        response.body(format!(r#"{{"error":"{code}","message":"{message}"}}"#))
    }
}

/// What a client is told: the same through every adapter.
pub(crate) fn told(kind: ErrorKind) -> (StatusCode, &'static str, &'static str) {
    match kind {
        ErrorKind::Gone => (StatusCode::UNAUTHORIZED, "session_gone", "this session has ended"),
        ErrorKind::LimitReached => {
            (StatusCode::FORBIDDEN, "session_limit", "this user is signed in too often already")
        }
        ErrorKind::TooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "this is more than a session holds")
        }
        ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Full | ErrorKind::Conflict => (
            StatusCode::SERVICE_UNAVAILABLE,
            "store_unavailable",
            "sessions are out of reach at the moment",
        ),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "this session cannot be used"),
    }
}

/// An [`Error`] that a handler may return with `?`; answered as [`JsonErrors`] does.
#[derive(Debug)]
pub struct SessionError(pub Error);

impl From<Error> for SessionError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SessionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl ResponseError for SessionError {
    fn status_code(&self) -> StatusCode {
        told(self.0.kind()).0
    }

    fn error_response(&self) -> HttpResponse {
        JsonErrors.respond(&self.0)
    }
}

//! Errors as responses.

use std::fmt;

use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use session_core::{Error, ErrorKind};

/// Makes the response to a session that could not be saved.
///
/// Any function from an [`Error`] to a response will do.
pub trait ErrorResponder<B> {
    /// The response.
    fn respond(&self, error: &Error) -> http::Response<B>;
}

impl<F, B> ErrorResponder<B> for F
where
    F: Fn(&Error) -> http::Response<B>,
{
    fn respond(&self, error: &Error) -> http::Response<B> {
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

impl<B: From<String>> ErrorResponder<B> for JsonErrors {
    fn respond(&self, error: &Error) -> http::Response<B> {
        let (status, code, message) = match error.kind() {
            ErrorKind::Gone => (StatusCode::UNAUTHORIZED, "session_gone", "this session has ended"),
            ErrorKind::LimitReached => {
                (StatusCode::FORBIDDEN, "session_limit", "this user is signed in too often already")
            }
            ErrorKind::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "this is more than a session holds")
            }
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Full | ErrorKind::Conflict => {
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "store_unavailable",
                    "sessions are out of reach at the moment",
                )
            }
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "this session cannot be used"),
        };
        let is_the_clients =
            matches!(error.kind(), ErrorKind::Gone | ErrorKind::LimitReached | ErrorKind::TooLarge);
        if !is_the_clients {
            tracing::warn!(%error, "a session could not be loaded or saved");
        }
        let body = format!(r#"{{"error":"{code}","message":"{message}"}}"#);
        let mut response = http::Response::new(B::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
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

impl IntoResponse for SessionError {
    fn into_response(self) -> Response {
        JsonErrors.respond(&self.0)
    }
}

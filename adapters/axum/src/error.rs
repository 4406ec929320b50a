//! Errors as responses.

use std::fmt;

use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use session_core::{Error, ErrorAnswer};

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

/// Answers as [`ErrorAnswer`] says, in JSON: `{"error": code, "message": text}`.
///
/// The client is told no more than that. The operator is: whatever is not the client's own doing
/// is logged as a warning.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonErrors;

impl<B: From<String>> ErrorResponder<B> for JsonErrors {
    fn respond(&self, error: &Error) -> http::Response<B> {
        let answer = ErrorAnswer::of(error);
        if !answer.is_the_clients_doing() {
            tracing::warn!(%error, "a session could not be loaded or saved");
        }
        let mut response = http::Response::new(B::from(answer.json()));
        // All that there are is legal.
        *response.status_mut() =
            StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = answer.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
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

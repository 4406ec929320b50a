//! Errors as responses.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use session_core::{Error, ErrorAnswer};

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

/// Answers as [`ErrorAnswer`] says, in JSON: `{"error": code, "message": text}`.
///
/// The client is told no more than that. The operator is: whatever is not the client's own doing
/// is logged as a warning.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonErrors;

impl ErrorResponder for JsonErrors {
    fn respond(&self, error: &Error) -> HttpResponse {
        let answer = ErrorAnswer::of(error);
        if !answer.is_the_clients_doing() {
            tracing::warn!(%error, "a session could not be loaded or saved");
        }
        let mut response = HttpResponse::build(status(error));
        response.insert_header((CONTENT_TYPE, "application/json"));
        response.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(seconds) = answer.retry_after() {
            response.insert_header((RETRY_AFTER, seconds));
        }
        response.body(answer.json())
    }
}

pub(crate) fn status(error: &Error) -> StatusCode {
    // All that there are is legal.
    StatusCode::from_u16(ErrorAnswer::of(error).status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
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
        status(&self.0)
    }

    fn error_response(&self) -> HttpResponse {
        JsonErrors.respond(&self.0)
    }
}

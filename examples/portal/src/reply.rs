//! Errors as programs get them: `{"error": code, "message": text}`.

use std::borrow::Cow;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use session_kit::axum::{ErrorResponder as _, JsonErrors, SessionRejection};
use session_kit::{Error, ErrorKind};

/// Why a request is not answered as it would like to be.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was sent is not what this route takes.
    BadRequest(Cow<'static, str>),
    /// No such user, or another password.
    BadCredentials,
    /// Nobody is signed in, or there is no session at all.
    NoSession,
    /// A form or script of another site has sent this.
    CrossSite,
    /// There is no such thing, or it is somebody else's.
    NotFound(&'static str),
    /// There is something, but not for this method.
    MethodNotAllowed,
    /// The body is over the limit.
    TooLarge,
    /// The store does not answer.
    NotReady(Cow<'static, str>),
    /// The session could not be read or changed.
    Session(Error),
}

impl Failure {
    pub(crate) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::BadRequest(message.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Session(error)
    }
}

impl From<SessionRejection> for Failure {
    fn from(rejection: SessionRejection) -> Self {
        match rejection {
            SessionRejection::Load(error) => Self::Session(error),
            other => Self::Session(Error::new(ErrorKind::Misuse, other.to_string())),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Self::BadRequest(message) => (StatusCode::BAD_REQUEST, "bad_request", message),
            Self::BadCredentials => (
                StatusCode::UNAUTHORIZED,
                "bad_credentials",
                "there is no such user, or the password is another one".into(),
            ),
            Self::NoSession => (
                StatusCode::UNAUTHORIZED,
                "no_session",
                "there is no session, or nobody is signed in".into(),
            ),
            Self::CrossSite => (
                StatusCode::FORBIDDEN,
                "cross_site",
                "this was sent by a page of another site".into(),
            ),
            Self::NotFound(message) => (StatusCode::NOT_FOUND, "not_found", message.into()),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this address does not take this method".into(),
            ),
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "a body is 64 KiB at most".into())
            }
            Self::NotReady(reason) => {
                let body = Body { error: "store_unavailable", message: reason };
                let headers = [(RETRY_AFTER, "1"), (CACHE_CONTROL, "no-store")];
                return (StatusCode::SERVICE_UNAVAILABLE, headers, Json(body)).into_response();
            }
            Self::Session(error) => return session_error(&error),
        };
        let headers = [(CACHE_CONTROL, "no-store")];
        (status, headers, Json(Body { error: code, message })).into_response()
    }
}

#[derive(Serialize)]
struct Body {
    error: &'static str,
    message: Cow<'static, str>,
}

/// The answer to a request whose session could not be read or saved, for programs.
pub(crate) fn session_error(error: &Error) -> Response {
    JsonErrors.respond(error)
}

/// Tells the operator what the client is not told.
pub(crate) fn log(error: &Error) {
    match error.kind() {
        ErrorKind::Gone | ErrorKind::TooLarge => tracing::debug!(%error, "a session was not saved"),
        _ => tracing::warn!(%error, "a session could not be read or saved"),
    }
}

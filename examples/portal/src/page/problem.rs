//! Errors as a person gets them.

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::html;
use session_kit::{Error, ErrorKind};

use super::{Notice, frame};
use crate::reply;

/// Why there is no page: the session could not be read or changed.
#[derive(Debug)]
pub(super) struct Problem(Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        session_error(&self.0)
    }
}

/// The answer to a request whose session could not be read or saved, for a person.
pub(crate) fn session_error(error: &Error) -> Response {
    reply::log(error);
    let (status, text) = match error.kind() {
        ErrorKind::Gone => return Redirect::to(Notice::Ended.address()).into_response(),
        ErrorKind::TooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, "This is more than your session holds.")
        }
        _ if error.is_retryable() || error.is_outcome_unknown() => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Nobody can tell at the moment whether you are signed in. Nothing is lost: please try \
             again in a moment.",
        ),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "Your session cannot be used. We are told of it."),
    };
    problem(status, text)
}

/// A page that says what went wrong.
pub(crate) fn problem(status: StatusCode, text: &str) -> Response {
    let title = match status {
        StatusCode::SERVICE_UNAVAILABLE => "Out of reach",
        StatusCode::FORBIDDEN => "Refused",
        _ => "This did not work",
    };
    let content = html! {
        div.narrow {
            h1 { (title) }
            p.message.error role="alert" { (text) }
            p { a href="/" { "Back to the portal" } }
        }
    };
    let page = frame::page(title, None, content).into_string();
    let mut response = (status, [(CACHE_CONTROL, "no-store")], Html(page)).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, axum::http::HeaderValue::from_static("1"));
    }
    response
}

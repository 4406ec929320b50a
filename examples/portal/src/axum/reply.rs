//! Answers as axum's responses.

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use session_kit::Error;
use session_kit::axum::{ErrorResponder as _, JsonErrors};

use crate::page::{self, Problem};
use crate::reply::{Failure, Reply};

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let Self { status, headers, body } = self;
        let mut response = Response::new(Body::from(body));
        // None of what the portal says is illegal in HTTP.
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::try_from(&*value) {
                response.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self.reply() {
            Ok(reply) => reply.into_response(),
            Err(error) => JsonErrors.respond(error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.reply().into_response()
    }
}

/// The answer to a form whose session could not be saved.
pub(super) fn session_page(error: &Error) -> Response {
    page::session_error(error).into_response()
}

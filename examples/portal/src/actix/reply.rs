//! Answers as actix-web's responses.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use session_kit::Error;
use session_kit::actix::{ErrorResponder as _, JsonErrors};

use crate::page::{self, Problem};
use crate::reply::{Failure, Reply};

impl From<Reply> for HttpResponse {
    fn from(reply: Reply) -> Self {
        let Reply { status, headers, body } = reply;
        // None of what the portal says is illegal in HTTP.
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Self::build(status);
        for (name, value) in headers {
            response.append_header((name, &*value));
        }
        response.body(body.into_owned())
    }
}

impl Responder for Reply {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.into()
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        self.error_response().status()
    }

    fn error_response(&self) -> HttpResponse {
        match self.reply() {
            Ok(reply) => reply.into(),
            Err(error) => JsonErrors.respond(error),
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.error_response().status()
    }

    fn error_response(&self) -> HttpResponse {
        self.reply().into()
    }
}

/// The answer to a form whose session could not be saved.
pub(super) fn session_page(error: &Error) -> HttpResponse {
    page::session_error(error).into()
}

//! Every other answer: in JSON, for the proxies that show it to the client.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use session_kit::Error;
use session_kit::axum::SessionError;

/// Why a request is not to be passed on.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Nobody is signed in.
    SignedOut,
    /// Somebody is, but proved it too long ago.
    TooOld,
    /// Nobody can tell.
    Session(Error),
    /// The store is of no use at the moment.
    NotReady(String),
    /// The proxy asks for what there is not.
    BadDemands(String),
}

#[derive(Serialize)]
struct Body {
    error: &'static str,
    message: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = |error, message: &str| Json(Body { error, message: message.to_owned() });
        match self {
            Self::SignedOut => {
                let body = body("no_session", "there is no session, or nobody is signed in");
                (StatusCode::UNAUTHORIZED, body).into_response()
            }
            // Not 401: that is said to whoever is not signed in, and clients believe it.
            Self::TooOld => {
                let message = "this takes a log-in that is more recent";
                (StatusCode::FORBIDDEN, body("authentication_too_old", message)).into_response()
            }
            Self::Session(error) => SessionError(error).into_response(),
            Self::NotReady(reason) => {
                let body = body("store_unavailable", &reason);
                (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], body).into_response()
            }
            Self::BadDemands(reason) => {
                tracing::error!(reason, "the proxy asks for what this gateway does not have");
                (StatusCode::BAD_REQUEST, body("bad_request", &reason)).into_response()
            }
        }
    }
}

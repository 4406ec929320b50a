//! The service that signs people in and out, another node of the same sessions: what a portal is.

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use session_kit::axum::{Session, SessionError, SessionLayer};
use session_kit::{Sessions, Subject};

use crate::service::{Served, given};

pub(crate) async fn start(sessions: Sessions) -> Served {
    let app = Router::new()
        .route("/log-in", post(log_in))
        .route("/log-out", post(log_out))
        .route("/given", any(async |headers: HeaderMap, body: String| given(&headers, &body)))
        .layer(SessionLayer::new(sessions));
    Served::new(app).await
}

/// Takes everybody's word for it.
async fn log_in(session: Session, subject: String) -> Result<Response, SessionError> {
    let Ok(subject) = Subject::new(subject) else {
        return Ok(StatusCode::UNPROCESSABLE_ENTITY.into_response());
    };
    session.insert("theme", &"dark")?;
    session.log_in(subject);
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn log_out(session: Session) -> StatusCode {
    session.log_out();
    StatusCode::NO_CONTENT
}

//! The routes of the page.

use axum::Router;
use axum::extract::RawQuery;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::routing::{get, post};
use session_kit::axum::LazySession;

use super::extract::Sent;
use crate::page::{self, Answer, forms};
use crate::request::{Client, Named};

pub(super) fn routes() -> Router {
    Router::new()
        .route("/", get(home))
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .route("/counter", post(count))
        .route("/revoke-others", post(revoke_others))
        .route("/devices/{handle}/revoke", post(revoke))
        .route("/favicon.ico", get(async || page::icon()))
}

async fn home(session: LazySession, RawQuery(query): RawQuery) -> Answer {
    page::home(&session, query.as_deref()).await
}

async fn log_in(
    session: LazySession,
    Client(device): Client,
    headers: HeaderMap,
    Sent(body): Sent,
) -> Answer {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    forms::log_in(&session, device, content_type, body).await
}

async fn log_out(session: LazySession) -> Answer {
    forms::log_out(&session).await
}

async fn count(session: LazySession) -> Answer {
    forms::count(&session).await
}

async fn revoke_others(session: LazySession) -> Answer {
    forms::revoke_others(&session).await
}

async fn revoke(session: LazySession, Named(handle): Named) -> Answer {
    forms::revoke(&session, handle).await
}

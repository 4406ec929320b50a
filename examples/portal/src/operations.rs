//! For whoever runs the portal: is it alive, can it work, what is it doing.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use session_kit::{Consistency, Error, ErrorKind, Key, Load, OsEntropy, Sessions, Token};

use crate::metrics::Metrics;
use crate::reply::{self, Failure};

/// A store that takes longer is of no use to a visitor.
const READY_WITHIN: Duration = Duration::from_secs(1);

pub(crate) fn routes(sessions: Sessions, metrics: Metrics) -> Router {
    Router::new()
        .route("/readyz", get(is_ready).with_state(sessions))
        .route("/metrics", get(export).with_state(metrics))
        .route("/healthz", get(async || ([(CACHE_CONTROL, "no-store")], "ok")))
}

async fn is_ready(State(sessions): State<Sessions>) -> Result<Response, Failure> {
    match tokio::time::timeout(READY_WITHIN, ask(&sessions)).await {
        Ok(Ok(())) => Ok(([(CACHE_CONTROL, "no-store")], "ok").into_response()),
        Ok(Err(error)) => {
            reply::log(&error);
            Err(Failure::NotReady(reason(&error).into()))
        }
        Err(_) => {
            Err(Failure::NotReady("the session store does not answer within a second".into()))
        }
    }
}

/// What anybody may know: the kind, and the server's own word for it if it has one. An error's
/// text, which may say where the store is, goes to the log.
fn reason(error: &Error) -> String {
    let told = match error.kind() {
        ErrorKind::Timeout => "the session store does not answer in time",
        ErrorKind::Unavailable => "the session store cannot be reached, or refuses to work",
        _ => "the session store answers with an error",
    };
    match error.context("code") {
        Some(code) => format!("{told} ({code})"),
        None => told.to_owned(),
    }
}

/// Reads a session that nobody has: the cheapest question that every store has to answer.
async fn ask(sessions: &Sessions) -> Result<(), Error> {
    let key = Key::of(&Token::random(&OsEntropy)?, sessions.namespace());
    let load = Load::default().consistency(Consistency::Strong);
    sessions.store().load(&key, load).await?;
    Ok(())
}

async fn export(State(metrics): State<Metrics>) -> Response {
    match metrics.to_text() {
        Ok(text) => {
            let kind = (CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
            ([kind, (CACHE_CONTROL, "no-store")], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written down");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

//! A counter in the session: every increment counts, however many come at once.

use axum::Json;
use axum::http::StatusCode;
use serde::Serialize;
use session_kit::axum::Session;
use session_kit::{Error, Field};

use crate::reply::Failure;

const COUNTER: Field<u64> = Field::new("counter");

/// The counter of a session that has none yet is at zero.
pub(crate) fn value(session: &session_kit::Session) -> Result<u64, Error> {
    Ok(session.get(COUNTER)?.unwrap_or(0))
}

/// Counts once, when the session is saved.
pub(crate) fn increment(session: &session_kit::Session) -> Result<(), Error> {
    session.update(COUNTER, next).map(drop)
}

/// Depends on nothing but what the counter holds: it runs again if another request was faster.
fn next(value: Option<u64>) -> u64 {
    value.unwrap_or(0).saturating_add(1)
}

#[derive(Serialize)]
pub(super) struct Counter {
    value: u64,
}

pub(super) async fn show(session: Session) -> Result<Json<Counter>, Failure> {
    Ok(Json(Counter { value: value(&session)? }))
}

pub(super) async fn count(session: Session) -> Result<StatusCode, Failure> {
    increment(&session)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Saved before it is answered, so that the value is the one that was stored.
pub(super) async fn count_now(session: Session) -> Result<Json<Counter>, Failure> {
    let value = session.update_now(COUNTER, next).await?;
    Ok(Json(Counter { value }))
}

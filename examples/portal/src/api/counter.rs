//! A counter in the session: every increment counts, however many come at once.

use serde::Serialize;
use session_kit::{Error, Field, Session};

use super::Answer;
use crate::reply::{Reply, json};

const COUNTER: Field<u64> = Field::new("counter");

/// The counter of a session that has none yet is at zero.
pub(crate) fn value(session: &Session) -> Result<u64, Error> {
    Ok(session.get(COUNTER)?.unwrap_or(0))
}

/// Counts once, when the session is saved.
pub(crate) fn increment(session: &Session) -> Result<(), Error> {
    session.update(COUNTER, next).map(drop)
}

/// Depends on nothing but what the counter holds: it runs again if another request was faster.
fn next(value: Option<u64>) -> u64 {
    value.unwrap_or(0).saturating_add(1)
}

#[derive(Serialize)]
struct Counter {
    value: u64,
}

pub(crate) fn show(session: &Session) -> Answer {
    Ok(json(&Counter { value: value(session)? }))
}

pub(crate) fn count(session: &Session) -> Answer {
    increment(session)?;
    Ok(Reply::no_content())
}

/// Saved before it is answered, so that the value is the one that was stored.
pub(crate) async fn count_now(session: &Session) -> Answer {
    let value = session.update_now(COUNTER, next).await?;
    Ok(json(&Counter { value }))
}

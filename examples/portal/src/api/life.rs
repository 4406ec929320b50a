//! A session's id, and how long it lives.

use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;
use session_kit::Timeouts;
use session_kit::axum::Session;

use crate::reply::Failure;
use crate::request::JsonObject;

/// Without a session there is no id to change, and nothing happens.
pub(super) async fn rotate(session: Session) -> StatusCode {
    session.rotate();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
pub(super) struct AskedTimeouts {
    idle_ms: u64,
    absolute_ms: u64,
}

pub(super) async fn set_timeouts(
    session: Session,
    JsonObject(asked): JsonObject<AskedTimeouts>,
) -> Result<StatusCode, Failure> {
    let AskedTimeouts { idle_ms, absolute_ms } = asked;
    let [idle, absolute] = [idle_ms, absolute_ms].map(Duration::from_millis);
    let Ok(timeouts) = Timeouts::new(idle, absolute) else {
        let reason =
            "`idle_ms` is 1 at least and `absolute_ms` at most, which is ten years at most";
        return Err(Failure::bad_request(reason));
    };
    if !session.exists() {
        return Err(Failure::NoSession);
    }
    session.set_timeouts(timeouts);
    Ok(StatusCode::NO_CONTENT)
}

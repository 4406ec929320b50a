//! A session's id, and how long it lives.

use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;
use session_kit::Timeouts;
use session_kit::axum::Session;

use crate::reply::Failure;
use crate::request::Json;

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
    Json(asked): Json<AskedTimeouts>,
) -> Result<StatusCode, Failure> {
    let AskedTimeouts { idle_ms, absolute_ms } = asked;
    let timeouts =
        Timeouts::new(Duration::from_millis(idle_ms), Duration::from_millis(absolute_ms))
            .map_err(|error| Failure::bad_request(error.to_string()))?;
    if !session.exists() {
        return Err(Failure::NoSession);
    }
    session.set_timeouts(timeouts);
    Ok(StatusCode::NO_CONTENT)
}

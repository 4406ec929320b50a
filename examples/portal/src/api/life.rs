//! A session's id, and how long it lives.

use std::time::Duration;

use serde::Deserialize;
use session_kit::{LazySession, Session, Timeouts};

use super::Answer;
use crate::reply::{Failure, Reply};
use crate::request::{self, Body};

/// Without a session there is no id to change, and nothing happens.
pub(crate) fn rotate(session: &Session) -> Reply {
    session.rotate();
    Reply::no_content()
}

#[derive(Deserialize)]
struct AskedTimeouts {
    idle_ms: u64,
    absolute_ms: u64,
}

pub(crate) async fn set_timeouts(session: &LazySession, body: impl Body) -> Answer {
    let session = session.load().await?;
    let AskedTimeouts { idle_ms, absolute_ms } = request::json_object(body).await?;
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
    Ok(Reply::no_content())
}

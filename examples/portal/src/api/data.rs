//! A visitor's own data.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use session_kit::{LazySession, Session};

use super::Answer;
use crate::reply::{Failure, Reply, json};
use crate::request::{self, Body, DataName};

pub(crate) fn read(session: &Session, name: &DataName) -> Answer {
    let value: Option<Value> = session.get(name.field())?;
    let value = value.ok_or(Failure::NotFound("nothing is stored under this name"))?;
    Ok(json(&value))
}

/// The session first: what is wrong with a body is told to whom it is that has sent it.
pub(crate) async fn write(session: &LazySession, name: &DataName, body: impl Body) -> Answer {
    let session = session.load().await?;
    let value: Value = request::json(body).await?;
    session.insert(name.field(), &value)?;
    Ok(Reply::no_content())
}

pub(crate) fn remove(session: &Session, name: &DataName) -> Reply {
    session.remove(name.field());
    Reply::no_content()
}

#[derive(Deserialize)]
struct Slowly {
    name: DataName,
    ms: u64,
}

/// The longest that a client may keep a request waiting.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// What others did to the session while this one slept is neither lost nor undone: the value is
/// stored on top of it, and not at all if the session is gone.
pub(crate) async fn write_slowly(
    session: &LazySession,
    query: Option<&str>,
    body: impl Body,
) -> Answer {
    let Slowly { name, ms } = request::query(query)?;
    let session = session.load().await?;
    let value: Value = request::json(body).await?;
    let wait = Duration::from_millis(ms);
    if wait > MAX_WAIT {
        return Err(Failure::bad_request("`ms` is 60,000 at most"));
    }
    tokio::time::sleep(wait).await;
    session.insert(name.field(), &value)?;
    Ok(Reply::no_content())
}

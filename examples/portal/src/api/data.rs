//! A visitor's own data.

use std::time::Duration;

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use session_kit::axum::Session;

use crate::reply::Failure;
use crate::request::{Checked, DataName, Json};

type Named = Checked<Path<DataName>>;

pub(super) async fn read(
    Checked(Path(name)): Named,
    session: Session,
) -> Result<axum::Json<Value>, Failure> {
    let value = session.get(name.field())?;
    value.map(axum::Json).ok_or(Failure::NotFound("nothing is stored under this name"))
}

pub(super) async fn write(
    Checked(Path(name)): Named,
    session: Session,
    Json(value): Json<Value>,
) -> Result<StatusCode, Failure> {
    session.insert(name.field(), &value)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove(Checked(Path(name)): Named, session: Session) -> StatusCode {
    session.remove(name.field());
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
pub(super) struct Slowly {
    name: DataName,
    ms: u64,
}

/// The longest that a client may keep a request waiting.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// What others did to the session while this one slept is neither lost nor undone: the value is
/// stored on top of it, and not at all if the session is gone.
pub(super) async fn write_slowly(
    Checked(Query(Slowly { name, ms })): Checked<Query<Slowly>>,
    session: Session,
    Json(value): Json<Value>,
) -> Result<StatusCode, Failure> {
    let wait = Duration::from_millis(ms);
    if wait > MAX_WAIT {
        return Err(Failure::bad_request("`ms` is 60,000 at most"));
    }
    tokio::time::sleep(wait).await;
    session.insert(name.field(), &value)?;
    Ok(StatusCode::NO_CONTENT)
}

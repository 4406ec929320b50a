//! Signing in and out, and who that was.

use axum::extract::Query;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use session_kit::axum::{LazySession, Session};
use session_kit::{Consistency, Device};

use crate::reply::Failure;
use crate::request::{Checked, Client, JsonObject};
use crate::time::Rfc3339;
use crate::user::{Credentials, sign_in};

#[derive(Serialize)]
pub(super) struct User {
    user: String,
}

/// The session is not even read for a wrong password: guessing costs the store nothing.
pub(super) async fn log_in(
    session: LazySession,
    Client(device): Client,
    JsonObject(credentials): JsonObject<Credentials>,
) -> Result<axum::Json<User>, Failure> {
    let subject = credentials.verify().ok_or(Failure::BadCredentials)?;
    let session = session.load().await?;
    let user = subject.as_str().to_owned();
    sign_in(&session, subject, device);
    Ok(axum::Json(User { user }))
}

/// The layer ends the session in the store before the answer goes out; if it cannot, the answer
/// is 503 instead.
pub(super) async fn log_out(session: Session) -> StatusCode {
    session.destroy();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
pub(super) struct MeQuery {
    consistency: Option<AskedConsistency>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AskedConsistency {
    Strong,
}

#[derive(Serialize)]
pub(super) struct Me {
    user: String,
    created_at: Option<Rfc3339>,
    authenticated_at: Option<Rfc3339>,
    idle_deadline: Option<Rfc3339>,
    absolute_deadline: Option<Rfc3339>,
    device: Option<ShownDevice>,
    handle: Option<String>,
}

#[derive(Default, Serialize)]
pub(super) struct ShownDevice {
    user_agent: Option<String>,
    address: Option<String>,
}

impl From<&Device> for ShownDevice {
    fn from(device: &Device) -> Self {
        Self {
            user_agent: device.user_agent().map(str::to_owned),
            address: device.address().map(str::to_owned),
        }
    }
}

pub(super) async fn me(
    Checked(Query(query)): Checked<Query<MeQuery>>,
    session: LazySession,
) -> Result<axum::Json<Me>, Failure> {
    let session = match query.consistency {
        Some(AskedConsistency::Strong) => session.load_with(Consistency::Strong).await?,
        None => session.load().await?,
    };
    let subject = session.subject().ok_or(Failure::NoSession)?;
    Ok(axum::Json(Me {
        user: subject.as_str().to_owned(),
        created_at: session.created_at().map(Rfc3339),
        authenticated_at: session.authenticated_at().map(Rfc3339),
        idle_deadline: session.idle_deadline().map(Rfc3339),
        absolute_deadline: session.absolute_deadline().map(Rfc3339),
        device: session.device().map(|device| ShownDevice::from(&*device)),
        handle: session.handle().map(|handle| handle.to_string()),
    }))
}

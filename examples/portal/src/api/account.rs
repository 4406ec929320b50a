//! Signing in and out, and who that was.

use serde::{Deserialize, Serialize};
use session_kit::{Consistency, Device, LazySession, Session};

use super::Answer;
use crate::reply::Failure;
use crate::reply::{Reply, json};
use crate::request::{self, Body};
use crate::time::Rfc3339;
use crate::user::{Credentials, sign_in};

#[derive(Serialize)]
struct User<'a> {
    user: &'a str,
}

/// The session is not even read for a wrong password: guessing costs the store nothing.
pub(crate) async fn log_in(session: &LazySession, device: Device, body: impl Body) -> Answer {
    let credentials: Credentials = request::json_object(body).await?;
    let subject = credentials.verify().ok_or(Failure::BadCredentials)?;
    let session = session.load().await?;
    sign_in(&session, subject.clone(), device);
    Ok(json(&User { user: subject.as_str() }))
}

/// The layer ends the session in the store before the answer goes out; if it cannot, the answer
/// is 503 instead.
pub(crate) fn log_out(session: &Session) -> Reply {
    session.destroy();
    Reply::no_content()
}

#[derive(Deserialize)]
struct MeQuery {
    consistency: Option<AskedConsistency>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AskedConsistency {
    Strong,
}

#[derive(Serialize)]
struct Me {
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

pub(crate) async fn me(session: &LazySession, query: Option<&str>) -> Answer {
    let query: MeQuery = request::query(query)?;
    let session = match query.consistency {
        Some(AskedConsistency::Strong) => session.load_with(Consistency::Strong).await?,
        None => session.load().await?,
    };
    let subject = session.subject().ok_or(Failure::NoSession)?;
    Ok(json(&Me {
        user: subject.as_str().to_owned(),
        created_at: session.created_at().map(Rfc3339),
        authenticated_at: session.authenticated_at().map(Rfc3339),
        idle_deadline: session.idle_deadline().map(Rfc3339),
        absolute_deadline: session.absolute_deadline().map(Rfc3339),
        device: session.device().map(|device| ShownDevice::from(&*device)),
        handle: session.handle().map(|handle| handle.to_string()),
    }))
}

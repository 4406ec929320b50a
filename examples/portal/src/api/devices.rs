//! On what devices a user is signed in.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use serde::Serialize;
use session_kit::Handle;

use super::account::ShownDevice;
use crate::reply::Failure;
use crate::request::{Checked, SignedIn};
use crate::time::Rfc3339;

#[derive(Serialize)]
pub(super) struct ListedDevice {
    handle: String,
    current: bool,
    #[serde(flatten)]
    device: ShownDevice,
    created_at: Rfc3339,
    last_seen_at: Rfc3339,
}

pub(super) async fn list(signed_in: SignedIn) -> Result<Json<Vec<ListedDevice>>, Failure> {
    let SignedIn { session, subject } = signed_in;
    let current = session.handle();
    let sessions = session.sessions().list(&subject).await?;
    let devices = sessions.into_iter().map(|info| ListedDevice {
        handle: info.handle.to_string(),
        current: Some(info.handle) == current,
        device: info.device.as_deref().map(ShownDevice::from).unwrap_or_default(),
        created_at: Rfc3339(info.created_at),
        last_seen_at: Rfc3339(info.last_seen_at),
    });
    Ok(Json(devices.collect()))
}

pub(super) async fn revoke(
    signed_in: SignedIn,
    Checked(Path(handle)): Checked<Path<String>>,
) -> Result<StatusCode, Failure> {
    let SignedIn { session, subject } = signed_in;
    let handle = Handle::parse(&handle);
    if handle.is_some() && handle == session.handle() {
        // Through the session, so that this client is told to forget its token.
        session.destroy();
        return Ok(StatusCode::NO_CONTENT);
    }
    let revoked = match handle {
        Some(handle) => session.sessions().revoke(&subject, handle).await?,
        None => false,
    };
    if revoked {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Failure::NotFound("you have no such device"))
    }
}

#[derive(Serialize)]
pub(super) struct Revoked {
    revoked: usize,
}

pub(super) async fn revoke_others(signed_in: SignedIn) -> Result<Json<Revoked>, Failure> {
    let SignedIn { session, subject: _ } = signed_in;
    let revoked = session.sessions().revoke_others(&session).await?;
    Ok(Json(Revoked { revoked }))
}

pub(super) async fn revoke_all(signed_in: SignedIn) -> Result<Json<Revoked>, Failure> {
    let SignedIn { session, subject } = signed_in;
    let revoked = session.sessions().revoke_all(&subject).await?;
    session.destroy();
    Ok(Json(Revoked { revoked }))
}

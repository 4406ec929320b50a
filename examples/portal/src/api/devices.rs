//! On what devices a user is signed in.

use serde::Serialize;
use session_kit::{Handle, Session, Subject};

use super::Answer;
use super::account::ShownDevice;
use crate::reply::{Failure, Reply, json};
use crate::time::Rfc3339;

#[derive(Serialize)]
struct ListedDevice {
    handle: String,
    current: bool,
    #[serde(flatten)]
    device: ShownDevice,
    created_at: Rfc3339,
    last_seen_at: Rfc3339,
}

fn subject(session: &Session) -> Result<Subject, Failure> {
    session.subject().ok_or(Failure::NoSession)
}

pub(crate) async fn list(session: &Session) -> Answer {
    let subject = subject(session)?;
    let current = session.handle();
    let sessions = session.sessions().list(&subject).await?;
    let devices = sessions.into_iter().map(|info| ListedDevice {
        handle: info.handle.to_string(),
        current: Some(info.handle) == current,
        device: info.device.as_deref().map(ShownDevice::from).unwrap_or_default(),
        created_at: Rfc3339(info.created_at),
        last_seen_at: Rfc3339(info.last_seen_at),
    });
    Ok(json(&devices.collect::<Vec<_>>()))
}

/// `None` is a device that nobody can have.
pub(crate) async fn revoke(session: &Session, handle: Option<Handle>) -> Answer {
    let subject = subject(session)?;
    if handle.is_some() && handle == session.handle() {
        // Through the session, so that this client is told to forget its token.
        session.destroy();
        return Ok(Reply::no_content());
    }
    let revoked = match handle {
        Some(handle) => session.sessions().revoke(&subject, handle).await?,
        None => false,
    };
    if revoked {
        Ok(Reply::no_content())
    } else {
        Err(Failure::NotFound("you have no such device"))
    }
}

#[derive(Serialize)]
struct Revoked {
    revoked: usize,
}

pub(crate) async fn revoke_others(session: &Session) -> Answer {
    subject(session)?;
    let revoked = session.sessions().revoke_others(session).await?;
    Ok(json(&Revoked { revoked }))
}

pub(crate) async fn revoke_all(session: &Session) -> Answer {
    let revoked = session.sessions().revoke_all(&subject(session)?).await?;
    session.destroy();
    Ok(json(&Revoked { revoked }))
}

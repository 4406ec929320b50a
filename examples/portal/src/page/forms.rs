//! What the page's buttons do. Each answers with the address to go on to, so that reloading the
//! page does nothing twice.

use session_kit::{Device, Handle, LazySession, Level, Session, Subject};

use super::problem::{Problem, problem};
use super::{Answer, Notice};
use crate::api::counter;
use crate::reply::{Failure, Reply};
use crate::request::{self, Body};
use crate::user::{Credentials, sign_in};

pub(crate) async fn log_in(
    session: &LazySession,
    device: Device,
    content_type: Option<&[u8]>,
    body: impl Body,
) -> Answer {
    let credentials: Credentials = match request::form(content_type, body).await {
        Ok(credentials) => credentials,
        Err(Failure::TooLarge) => {
            return Ok(problem(413, "This is more than the sign-in form sends."));
        }
        Err(_) => return Ok(problem(400, "This is not what the sign-in form sends.")),
    };
    let Some(subject) = credentials.verify() else {
        return Ok(Reply::go_to(Notice::WrongPassword.address()));
    };
    let session = session.load().await?;
    sign_in(&session, subject, device);
    session.flash(Level::Success, "You are signed in.")?;
    Ok(Reply::go_to("/"))
}

pub(crate) async fn log_out(session: &LazySession) -> Answer {
    session.load().await?.destroy();
    Ok(Reply::go_to(Notice::SignedOut.address()))
}

pub(crate) async fn count(session: &LazySession) -> Answer {
    let Some((session, _)) = signed_in(session).await? else { return Ok(session_ended()) };
    counter::increment(&session)?;
    Ok(Reply::go_to("/#counter-section"))
}

pub(crate) async fn revoke_others(session: &LazySession) -> Answer {
    let Some((session, _)) = signed_in(session).await? else { return Ok(session_ended()) };
    let text = match session.sessions().revoke_others(&session).await? {
        0 => "There was no other device to sign out.".to_owned(),
        1 => "One other device is signed out.".to_owned(),
        revoked => format!("{revoked} other devices are signed out."),
    };
    session.flash(Level::Success, text)?;
    Ok(Reply::go_to("/"))
}

/// `None` is a device that nobody can have.
pub(crate) async fn revoke(session: &LazySession, handle: Option<Handle>) -> Answer {
    let Some((session, subject)) = signed_in(session).await? else { return Ok(session_ended()) };
    if handle.is_some() && handle == session.handle() {
        session.destroy();
        return Ok(Reply::go_to(Notice::SignedOut.address()));
    }
    let revoked = match handle {
        Some(handle) => session.sessions().revoke(&subject, handle).await?,
        None => false,
    };
    if revoked {
        session.flash(Level::Success, "The device is signed out.")?;
    } else {
        session.flash(Level::Warning, "That device was signed out already.")?;
    }
    Ok(Reply::go_to("/"))
}

async fn signed_in(session: &LazySession) -> Result<Option<(Session, Subject)>, Problem> {
    let session = session.load().await?;
    let subject = session.subject();
    Ok(subject.map(|subject| (session, subject)))
}

fn session_ended() -> Reply {
    Reply::go_to(Notice::Ended.address())
}

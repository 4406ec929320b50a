//! What the page's buttons do. Each answers with the address to go on to, so that reloading the
//! page does nothing twice.

use axum::Form;
use axum::extract::Path;
use axum::extract::rejection::{FormRejection, PathRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use session_kit::axum::LazySession;
use session_kit::{Handle, Level, Session, Subject};

use super::Notice;
use super::problem::{Problem, problem};
use crate::api;
use crate::request::Client;
use crate::user::{Credentials, sign_in};

type Answer = Result<Response, Problem>;

pub(super) async fn log_in(
    session: LazySession,
    Client(device): Client,
    form: Result<Form<Credentials>, FormRejection>,
) -> Answer {
    let Ok(Form(credentials)) = form else {
        let text = "This is not what the sign-in form sends.";
        return Ok(problem(StatusCode::BAD_REQUEST, text));
    };
    let Some(subject) = credentials.verify() else {
        return Ok(go_to(Notice::WrongPassword.address()));
    };
    let session = session.load().await?;
    sign_in(&session, subject, device);
    session.flash(Level::Success, "You are signed in.")?;
    Ok(go_to("/"))
}

pub(super) async fn log_out(session: LazySession) -> Answer {
    session.load().await?.destroy();
    Ok(go_to(Notice::SignedOut.address()))
}

pub(super) async fn count(session: LazySession) -> Answer {
    let Some((session, _)) = signed_in(&session).await? else { return Ok(session_ended()) };
    api::increment(&session)?;
    Ok(go_to("/#counter-section"))
}

pub(super) async fn revoke_others(session: LazySession) -> Answer {
    let Some((session, _)) = signed_in(&session).await? else { return Ok(session_ended()) };
    let text = match session.sessions().revoke_others(&session).await? {
        0 => "There was no other device to sign out.".to_owned(),
        1 => "One other device is signed out.".to_owned(),
        revoked => format!("{revoked} other devices are signed out."),
    };
    session.flash(Level::Success, text)?;
    Ok(go_to("/"))
}

pub(super) async fn revoke(
    session: LazySession,
    handle: Result<Path<String>, PathRejection>,
) -> Answer {
    let Some((session, subject)) = signed_in(&session).await? else { return Ok(session_ended()) };
    let handle = handle.ok().and_then(|Path(handle)| Handle::parse(&handle));
    if handle.is_some() && handle == session.handle() {
        session.destroy();
        return Ok(go_to(Notice::SignedOut.address()));
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
    Ok(go_to("/"))
}

async fn signed_in(session: &LazySession) -> Result<Option<(Session, Subject)>, Problem> {
    let session = session.load().await?;
    let subject = session.subject();
    Ok(subject.map(|subject| (session, subject)))
}

fn session_ended() -> Response {
    go_to(Notice::Ended.address())
}

fn go_to(address: &str) -> Response {
    Redirect::to(address).into_response()
}

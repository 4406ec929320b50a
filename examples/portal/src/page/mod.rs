//! The page for a person: plain HTML forms, no script.

mod account;
mod forms;
mod frame;
mod problem;
mod sign_in;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Query};
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::{get, post};
use serde::Deserialize;
use session_kit::axum::LazySession;

pub(crate) use self::frame::harden;
pub(crate) use self::problem::{problem, session_error};

use self::account::Account;
use self::problem::Problem;
use crate::request::{Checked, MAX_BODY};

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/", get(home))
        .route("/login", post(forms::log_in))
        .route("/logout", post(forms::log_out))
        .route("/counter", post(forms::count))
        .route("/revoke-others", post(forms::revoke_others))
        .route("/devices/{handle}/revoke", post(forms::revoke))
        // The pages bring their icon with them; this is for browsers that ask all the same.
        .route("/favicon.ico", get(async || StatusCode::NO_CONTENT))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// What the sign-in page has to say to a visitor who has no session, and so no flash messages.
/// It travels in the address: nothing is stored for somebody who only mistypes a password.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Notice {
    WrongPassword,
    SignedOut,
    Ended,
}

impl Notice {
    const fn address(self) -> &'static str {
        match self {
            Self::WrongPassword => "/?notice=wrong-password",
            Self::SignedOut => "/?notice=signed-out",
            Self::Ended => "/?notice=ended",
        }
    }
}

#[derive(Deserialize)]
struct HomeQuery {
    notice: Option<Notice>,
}

async fn home(
    query: Result<Checked<Query<HomeQuery>>, crate::reply::Failure>,
    session: LazySession,
) -> Result<Html<String>, Problem> {
    // An address with a notice that there is none of still leads here.
    let notice = query.ok().and_then(|Checked(Query(query))| query.notice);
    let session = session.load().await?;
    let page = match session.subject() {
        Some(subject) => Account::read(&session, &subject).await?.page(),
        None => sign_in::page(notice),
    };
    Ok(Html(page.into_string()))
}

//! The page for a person: plain HTML forms, no script; through whatever framework it is asked.

mod account;
pub(crate) mod forms;
mod frame;
mod problem;
mod sign_in;

use serde::Deserialize;
use session_kit::LazySession;

pub(crate) use self::problem::{Problem, cross_site, session_error};

use self::account::Account;
use crate::reply::Reply;
use crate::request;

/// What a form or a link leads to, or why not.
pub(crate) type Answer = Result<Reply, Problem>;

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

pub(crate) async fn home(session: &LazySession, query: Option<&str>) -> Answer {
    // An address with a notice that there is none of still leads here.
    let notice = request::query(query).ok().and_then(|query: HomeQuery| query.notice);
    let session = session.load().await?;
    let page = match session.subject() {
        Some(subject) => Account::read(&session, &subject).await?.page(),
        None => sign_in::page(notice),
    };
    Ok(frame::reply(200, page))
}

/// The pages bring their icon with them; this is for browsers that ask all the same.
pub(crate) fn icon() -> Reply {
    Reply::no_content()
}

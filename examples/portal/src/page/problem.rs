//! Errors as a person gets them.

use std::fmt;

use maud::html;
use session_kit::{Error, ErrorAnswer};

use super::{Notice, frame};
use crate::reply::{self, Reply};

/// Why there is no page: the session could not be read or changed.
#[derive(Debug)]
pub(crate) struct Problem(Error);

impl Problem {
    pub(crate) fn reply(&self) -> Reply {
        session_error(&self.0)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The answer to a request whose session could not be read or saved, for a person.
pub(crate) fn session_error(error: &Error) -> Reply {
    reply::log(error);
    let answer = ErrorAnswer::of(error);
    let text = match answer.status {
        401 => return Reply::go_to(Notice::Ended.address()),
        403 => {
            "You are signed in on as many devices as you may be: please sign out on one of them."
        }
        413 => "This is more than your session holds.",
        503 => {
            "Nobody can tell at the moment whether you are signed in. Nothing is lost: please try \
             again in a moment."
        }
        _ => "Your session cannot be used. We are told of it.",
    };
    problem(answer.status, text)
}

/// A page that says what went wrong.
pub(super) fn problem(status: u16, text: &str) -> Reply {
    let title = match status {
        503 => "Out of reach",
        403 => "Refused",
        _ => "This did not work",
    };
    let content = html! {
        div.narrow {
            h1 { (title) }
            p.message.error role="alert" { (text) }
            p { a href="/" { "Back to the portal" } }
        }
    };
    let reply = frame::reply(status, frame::page(title, None, content)).unstored();
    if status == 503 { reply.with("retry-after", "1") } else { reply }
}

/// The answer to a form that another site has sent.
pub(crate) fn cross_site() -> Reply {
    problem(403, "This form was sent by a page of another site, so nothing was done.")
}

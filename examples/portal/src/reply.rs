//! What a request is answered, before a framework has made a response of it.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use session_kit::{Error, ErrorAnswer};

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, Cow<'static, str>)>,
    pub(crate) body: Cow<'static, str>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Cow<'static, str>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn text(body: impl Into<Cow<'static, str>>) -> Self {
        Self::new(200, body).with("content-type", "text/plain; charset=utf-8")
    }

    pub(crate) fn no_content() -> Self {
        Self::new(204, "")
    }

    /// Where to go on, by a request without a body.
    pub(crate) fn go_to(address: &'static str) -> Self {
        Self::new(303, "").with("location", address)
    }

    /// Not for caches, whether or not a session was used.
    pub(crate) fn unstored(self) -> Self {
        self.with("cache-control", "no-store")
    }

    fn json(status: u16, value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(body) => Self::new(status, body).with("content-type", "application/json"),
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written as JSON");
                Self::new(500, "")
            }
        }
    }
}

/// What goes well is answered with 200 and a value.
pub(crate) fn json(value: &impl Serialize) -> Reply {
    Reply::json(200, value)
}

/// Why a request is not answered as it would like to be.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was sent is not what this route takes.
    BadRequest(Cow<'static, str>),
    /// No such user, or another password.
    BadCredentials,
    /// Nobody is signed in, or there is no session at all.
    NoSession,
    /// A form or script of another site has sent this.
    CrossSite,
    /// There is no such thing, or it is somebody else's.
    NotFound(&'static str),
    /// There is something, but not for this method.
    MethodNotAllowed,
    /// The body is over the limit.
    TooLarge,
    /// The store does not answer.
    NotReady(Cow<'static, str>),
    /// The session could not be read or changed.
    Session(Error),
}

impl Failure {
    pub(crate) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::BadRequest(message.into())
    }

    pub(crate) const NOTHING_HERE: Self = Self::NotFound("there is nothing at this address");

    /// `{"error": code, "message": text}`, for programs; or what could not be done with the
    /// session, which the adapters have an answer for.
    pub(crate) fn reply(&self) -> Result<Reply, &Error> {
        let (status, error, message): (_, _, Cow<'_, str>) = match self {
            Self::BadRequest(message) => (400, "bad_request", (&**message).into()),
            Self::BadCredentials => (
                401,
                "bad_credentials",
                "there is no such user, or the password is another one".into(),
            ),
            Self::NoSession => {
                (401, "no_session", "there is no session, or nobody is signed in".into())
            }
            Self::CrossSite => {
                (403, "cross_site", "this was sent by a page of another site".into())
            }
            Self::NotFound(message) => (404, "not_found", (*message).into()),
            Self::MethodNotAllowed => {
                (405, "method_not_allowed", "this address does not take this method".into())
            }
            Self::TooLarge => (413, "too_large", "a body is 64 KiB at most".into()),
            Self::NotReady(reason) => {
                let body = Body { error: "store_unavailable", message: (&**reason).into() };
                return Ok(Reply::json(503, &body).with("retry-after", "1").unstored());
            }
            Self::Session(error) => return Err(error),
        };
        Ok(Reply::json(status, &Body { error, message }).unstored())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Session(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reply() {
            Ok(reply) => f.write_str(&reply.body),
            Err(error) => error.fmt(f),
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'static str,
    message: Cow<'a, str>,
}

/// Tells the operator what the client is not told.
pub(crate) fn log(error: &Error) {
    if ErrorAnswer::of(error).is_the_clients_doing() {
        tracing::debug!(%error, "a session was not saved");
    } else {
        tracing::warn!(%error, "a session could not be read or saved");
    }
}

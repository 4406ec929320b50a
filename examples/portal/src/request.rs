//! What a request brings, checked before a handler sees it.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use session_kit::axum::Session;
use session_kit::{Device, Subject};

use crate::reply::Failure;

/// The most that a body may have.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// How much more is read, and dropped: a client that is still sending when the connection is
/// closed may never see why.
const MAX_DISCARDED: usize = 1024 * 1024;

/// A JSON body, whatever type it claims to have.
pub(crate) struct Json<T>(pub(crate) T);

/// A JSON body that must be an object, whatever type it claims to have.
pub(crate) struct JsonObject<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        parse(&read_in_time(request.into_body()).await?).map(Self)
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for JsonObject<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let body = read_in_time(request.into_body()).await?;
        let value = parse(&body)?;
        // A list of the fields' values would be taken for them too.
        if body.trim_ascii_start().starts_with(b"{") {
            Ok(Self(value))
        } else {
            Err(Failure::bad_request("the body is a JSON object"))
        }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        // What was sent may be a password, so none of it is repeated.
        let reason = match error.classify() {
            Category::Data => "the JSON has not the form expected here",
            Category::Syntax | Category::Eof | Category::Io => {
                "the body is not JSON, or nested too deeply"
            }
        };
        let (line, column) = (error.line(), error.column());
        Failure::bad_request(format!("{reason} (line {line}, column {column})"))
    })
}

/// How long a client may take to send a body.
const BODY_WITHIN: Duration = Duration::from_secs(30);

async fn read_in_time(body: Body) -> Result<Vec<u8>, Failure> {
    let too_late = |_| Failure::bad_request("the body did not arrive in time");
    tokio::time::timeout(BODY_WITHIN, read(body)).await.map_err(too_late)?
}

async fn read(mut body: Body) -> Result<Vec<u8>, Failure> {
    let (mut kept, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::bad_request("the body did not arrive whole"))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length <= MAX_BODY {
            kept.extend_from_slice(&data);
        } else if length > MAX_BODY + MAX_DISCARDED {
            break;
        }
    }
    if length <= MAX_BODY { Ok(kept) } else { Err(Failure::TooLarge) }
}

/// One of axum's own extractors, whose refusals are put into the form of all others.
pub(crate) struct Checked<E>(pub(crate) E);

impl<S, E> FromRequestParts<S> for Checked<E>
where
    S: Sync,
    E: FromRequestParts<S, Rejection: Display>,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let extracted = E::from_request_parts(parts, state).await;
        extracted.map(Self).map_err(|rejection| Failure::bad_request(rejection.to_string()))
    }
}

/// A session with somebody signed in to it.
pub(crate) struct SignedIn {
    pub(crate) session: Session,
    pub(crate) subject: Subject,
}

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let session = Session::from_request_parts(parts, state).await?;
        let subject = session.subject().ok_or(Failure::NoSession)?;
        Ok(Self { session, subject })
    }
}

/// What is known of the device at the other end.
pub(crate) struct Client(pub(crate) Device);

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let mut device = Device::new();
        if let Some(agent) = parts.headers.get(USER_AGENT) {
            device = device.with_user_agent(&String::from_utf8_lossy(agent.as_bytes()));
        }
        if let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() {
            device = device.with_address(&peer.ip().to_canonical().to_string());
        }
        Ok(Self(device))
    }
}

/// The name under which a visitor's own data is kept.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct DataName {
    /// With a prefix, so that no name is one of the portal's own fields.
    field: String,
}

impl DataName {
    const MAX_CHARS: usize = 64;

    pub(crate) fn field(&self) -> &str {
        &self.field
    }
}

impl TryFrom<String> for DataName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let fits = (1..=Self::MAX_CHARS).contains(&name.chars().count());
        if !fits || name.contains(char::is_control) {
            return Err("a name is 1 to 64 characters, none of them a control character");
        }
        Ok(Self { field: format!("data.{name}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_kept_apart() {
        let field = |name: &str| DataName::try_from(name.to_owned()).map(|name| name.field);
        assert_eq!(field("counter").as_deref(), Ok("data.counter"));
        assert_eq!(field("ü:/{x}").as_deref(), Ok("data.ü:/{x}"));
        assert!(field(&"é".repeat(64)).is_ok());
        for name in ["", "a\nb", "\0", &"x".repeat(65)] {
            assert!(field(name).is_err(), "{name:?}");
        }
    }
}

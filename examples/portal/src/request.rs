//! What a request brings, checked before anything is done with it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::str::Utf8Error;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use session_kit::{Device, Handle};
use tokio::time::timeout;

use crate::reply::Failure;

/// The most that a body may have.
const MAX_BODY: usize = 64 * 1024;

/// How much more is read, and dropped: a client that is still sending when the connection is
/// closed may never see why.
const MAX_DISCARDED: usize = 8 * 1024 * 1024;

/// How long that may take.
const DISCARDED_WITHIN: Duration = Duration::from_secs(2);

/// How long a client may take to send a body.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// What is sent with a request, as it comes.
pub(crate) trait Body: Stream<Item = Result<Bytes, CutOff>> {}

impl<S: Stream<Item = Result<Bytes, CutOff>>> Body for S {}

/// There is more of a body than has come.
#[derive(Debug)]
pub(crate) struct CutOff;

/// A JSON body, whatever type it claims to have.
pub(crate) async fn json<T: DeserializeOwned>(body: impl Body) -> Result<T, Failure> {
    parse(&read(body).await?)
}

/// A JSON body that must be an object, whatever type it claims to have.
pub(crate) async fn json_object<T: DeserializeOwned>(body: impl Body) -> Result<T, Failure> {
    let body = read(body).await?;
    let value = parse(&body)?;
    // A list of the fields' values would be taken for them too.
    if body.trim_ascii_start().starts_with(b"{") {
        Ok(value)
    } else {
        Err(Failure::bad_request("the body is a JSON object"))
    }
}

/// What a browser sends of a form.
pub(crate) async fn form<T: DeserializeOwned>(
    content_type: Option<&[u8]>,
    body: impl Body,
) -> Result<T, Failure> {
    let is_form = content_type.is_some_and(|name| name.starts_with(FORM));
    if !is_form {
        return Err(Failure::bad_request("the body is no form"));
    }
    let body = read(body).await?;
    serde_urlencoded::from_bytes(&body)
        .map_err(|_| Failure::bad_request("the form has not the fields expected here"))
}

const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// What is asked for behind the `?`.
pub(crate) fn query<T: DeserializeOwned>(query: Option<&str>) -> Result<T, Failure> {
    serde_urlencoded::from_str(query.unwrap_or_default())
        .map_err(|error| Failure::bad_request(format!("the query is not as expected: {error}")))
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

async fn read(body: impl Body) -> Result<Vec<u8>, Failure> {
    let mut body = pin!(body);
    match timeout(BODY_WITHIN, keep(&mut body)).await {
        Ok(Err(Failure::TooLarge)) => {
            let _ = timeout(DISCARDED_WITHIN, discard(body)).await;
            Err(Failure::TooLarge)
        }
        Ok(read) => read,
        Err(_) => Err(Failure::bad_request("the body did not arrive in time")),
    }
}

async fn keep(body: &mut Pin<&mut impl Body>) -> Result<Vec<u8>, Failure> {
    let mut kept = Vec::new();
    while let Some(data) = body.next().await {
        let data = data.map_err(|CutOff| Failure::bad_request("the body did not arrive whole"))?;
        if kept.len() + data.len() > MAX_BODY {
            return Err(Failure::TooLarge);
        }
        kept.extend_from_slice(&data);
    }
    Ok(kept)
}

async fn discard(mut body: Pin<&mut impl Body>) {
    let mut discarded = 0;
    while let Some(Ok(data)) = body.next().await {
        discarded += data.len();
        if discarded > MAX_DISCARDED {
            return;
        }
    }
}

/// What is known of the device at the other end.
pub(crate) struct Client(pub(crate) Device);

impl Client {
    pub(crate) fn new(user_agent: Option<&[u8]>, peer: Option<IpAddr>) -> Self {
        let mut device = Device::new();
        if let Some(agent) = user_agent {
            device = device.with_user_agent(&String::from_utf8_lossy(agent));
        }
        if let Some(peer) = peer {
            device = device.with_address(&peer.to_canonical().to_string());
        }
        Self(device)
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

    /// The one in `/api/data/{name}`.
    pub(crate) fn in_path(path: &str) -> Result<Self, Failure> {
        let name = after("data", path).ok_or(Failure::NOTHING_HERE)?;
        let name = name.map_err(|_| Failure::bad_request("a name is UTF-8"))?;
        Self::try_from(name.into_owned()).map_err(Failure::bad_request)
    }

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

/// The device that a path names, if it can be one at all.
pub(crate) struct Named(pub(crate) Option<Handle>);

impl Named {
    pub(crate) fn in_path(path: &str) -> Self {
        let name = after("devices", path).and_then(Result::ok);
        Self(name.and_then(|name| Handle::parse(&name)))
    }
}

/// The segment that follows another one. Taken from the path as it was sent: not all frameworks
/// hand over what is in it as it is.
fn after<'a>(word: &str, path: &'a str) -> Option<Result<Cow<'a, str>, Utf8Error>> {
    let segment = path.split('/').skip_while(|segment| *segment != word).nth(1)?;
    Some(percent_decode_str(segment).decode_utf8())
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use tokio::time::Instant;

    use super::*;

    /// What comes, and then nothing more, without an end.
    fn stalled(bytes: usize) -> impl Body {
        let data = Bytes::from(vec![b' '; bytes]);
        stream::iter([Ok(data)]).chain(stream::pending())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_refused_for_what_is_known_of_it() {
        let begun = Instant::now();
        assert!(matches!(read(stalled(MAX_BODY + 1)).await, Err(Failure::TooLarge)));
        assert_eq!(begun.elapsed(), DISCARDED_WITHIN);
        assert!(matches!(read(stalled(MAX_BODY)).await, Err(Failure::BadRequest(_))));
        assert_eq!(begun.elapsed(), DISCARDED_WITHIN + BODY_WITHIN);
        let chunk = Bytes::from(vec![b' '; MAX_BODY]);
        let chunks = MAX_DISCARDED / MAX_BODY + 3;
        let much = stream::iter(std::iter::repeat_n(chunk, chunks).map(Ok));
        assert!(matches!(read(much.chain(stream::pending())).await, Err(Failure::TooLarge)));
        assert_eq!(begun.elapsed(), DISCARDED_WITHIN + BODY_WITHIN);
    }

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

    #[test]
    fn what_is_in_a_path_is_taken_apart_and_then_decoded() {
        let name = |path: &str| DataName::in_path(path).map(|name| name.field).ok();
        assert_eq!(name("/api/data/a%2Fb").as_deref(), Some("data.a/b"));
        assert_eq!(name("/api/data/data").as_deref(), Some("data.data"));
        assert_eq!(name("/api/data/%25FF+").as_deref(), Some("data.%FF+"));
        for path in ["/api/data/%FF", "/api/data/%00", "/api/data/", "/api/data", "/api"] {
            assert_eq!(name(path), None, "{path}");
        }
        assert!(Named::in_path("/devices/AAAAAAAAAAAAAAAAAAAAAA/revoke").0.is_some());
        assert!(Named::in_path("/api/devices/x").0.is_none());
    }
}

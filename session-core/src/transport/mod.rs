//! How a token travels between client and server.

mod cookie;
mod header;

use std::fmt;
use std::time::Duration;

pub use self::cookie::{CookieLifetime, SameSite, SessionCookie};
pub use self::header::SessionHeader;

use self::cookie::CookieTransport;
use crate::error::Error;
use crate::namespace::Namespace;
use crate::observer::Rejection;
use crate::sessions::fixed;
use crate::token::Token;

/// What of a request may hold a token, not yet looked into.
#[derive(Clone)]
pub(crate) enum Presented {
    /// The client sent nothing of ours.
    Nothing,
    /// What the client sent cannot be a token, or contradicts itself.
    Malformed,
    /// What may turn out to be a token.
    Value(Box<[u8]>),
}

/// Values longer than any token in any wrapping are not even copied.
const MAX_VALUE: usize = 256;

impl Presented {
    /// Puts the values found in a request together: several equal ones count as one, several
    /// different ones as none, since nothing tells which one the client means.
    fn from_values<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut found: Option<&[u8]> = None;
        for value in values {
            if found.is_some_and(|earlier| earlier != value) {
                return Self::Malformed;
            }
            found = Some(value);
        }
        match found {
            None => Self::Nothing,
            Some(value) if value.is_empty() || value.len() > MAX_VALUE => Self::Malformed,
            Some(value) => Self::Value(value.into()),
        }
    }
}

/// Shows nothing of what was presented.
impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Malformed => "Malformed",
            Self::Value(_) => "Value(..)",
        })
    }
}

/// How a token travels, as the application asked for it.
#[derive(Clone, Debug)]
pub(crate) enum TransportConfig {
    Cookie(SessionCookie),
    Header(SessionHeader),
}

impl TransportConfig {
    /// The namespace of an application that did not choose one.
    fn default_namespace(&self) -> &str {
        match self {
            Self::Cookie(cookie) => cookie.name(),
            Self::Header(header) => header.request_header(),
        }
    }

    /// Checks the rules, once and for all. Without a namespace of its own, the application has
    /// one named after the cookie or header.
    pub(crate) fn build(self, namespace: Option<&str>) -> Result<(Transport, Namespace), Error> {
        match &self {
            Self::Cookie(cookie) => cookie.check()?,
            Self::Header(header) => header.check()?,
        }
        let namespace = Namespace::parse(namespace.unwrap_or(self.default_namespace()))?;
        let transport = match self {
            Self::Cookie(cookie) => Transport::Cookie(CookieTransport::new(cookie, &namespace)?),
            Self::Header(header) => Transport::Header(header),
        };
        Ok((transport, namespace))
    }
}

/// The headers by which a token comes and goes, in lower case, and how `Vary` names the first.
pub(crate) struct HeaderNames {
    pub(crate) request: Box<str>,
    pub(crate) vary: Box<str>,
    pub(crate) response: Box<str>,
}

/// How a token travels.
#[derive(Debug)]
pub(crate) enum Transport {
    Cookie(CookieTransport),
    Header(SessionHeader),
}

impl Transport {
    pub(crate) fn header_names(&self) -> HeaderNames {
        HeaderNames {
            request: self.request_header().into(),
            vary: self.vary().into(),
            response: self.response_header().into(),
        }
    }

    /// Takes over from another transport, whose tokens clients hold.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](crate::ErrorKind::Misconfigured) if it would not find, read or
    /// remove them.
    pub(crate) fn succeed(&self, earlier: &Self) -> Result<(), Error> {
        match (self, earlier) {
            (Self::Cookie(cookie), Self::Cookie(earlier)) => cookie.succeed(earlier),
            (Self::Header(header), Self::Header(earlier)) if header == earlier => Ok(()),
            _ => Err(fixed("transport", "another")),
        }
    }

    /// The request header that may hold a token, in lower case.
    fn request_header(&self) -> &str {
        match self {
            Self::Cookie(_) => "cookie",
            Self::Header(header) => header.request_header(),
        }
    }

    /// That header as `Vary` names it.
    fn vary(&self) -> &str {
        match self.request_header() {
            "cookie" => "Cookie",
            "authorization" => "Authorization",
            other => other,
        }
    }

    /// The response header that hands a token over or takes it back, in lower case.
    fn response_header(&self) -> &str {
        match self {
            Self::Cookie(_) => "set-cookie",
            Self::Header(header) => header.response_header(),
        }
    }

    /// Finds what may be a token in the values of the request header.
    pub(crate) fn find<'a>(&self, values: impl Iterator<Item = &'a [u8]>) -> Presented {
        match self {
            Self::Cookie(cookie) => cookie.find(values),
            Self::Header(header) => header.find(values),
        }
    }

    /// Reads a token, verifying or decrypting it if that is how it travels.
    pub(crate) fn read(&self, value: &[u8]) -> Option<Token> {
        match self {
            Self::Cookie(cookie) => cookie.read(value),
            Self::Header(_) => Token::parse(value),
        }
    }

    /// Why that could not be read.
    pub(crate) fn rejection(&self) -> Rejection {
        match self {
            Self::Cookie(cookie) if cookie.is_verified() => Rejection::Unverified,
            Self::Cookie(_) | Self::Header(_) => Rejection::Malformed,
        }
    }

    /// The response header's value that hands a token over. A client keeps it for `max_age`, or
    /// as long as it sees fit.
    pub(crate) fn set(&self, token: &Token, max_age: Option<Duration>) -> String {
        match self {
            Self::Cookie(cookie) => cookie.set(token, max_age),
            Self::Header(_) => token.to_text(),
        }
    }

    /// The response header's value that takes a token back.
    pub(crate) fn clear(&self) -> String {
        match self {
            Self::Cookie(cookie) => cookie.clear(),
            Self::Header(_) => String::new(),
        }
    }

    /// How long the client is to keep a token of a session that lives for `remaining` more;
    /// `None` leaves it to the client.
    pub(crate) fn max_age(&self, remaining: Duration, own_timeouts: bool) -> Option<Duration> {
        match self {
            Self::Cookie(cookie) => cookie.max_age(remaining, own_timeouts),
            Self::Header(_) => None,
        }
    }
}

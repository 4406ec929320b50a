//! Tokens in a header of their own, or as bearer tokens.

use super::Presented;
use crate::error::Error;

/// A token in a request header, for clients that keep no cookies.
///
/// A new or changed token comes back in a response header. When the session has ended that
/// header is there but empty: the client is to forget its token.
///
/// ```
/// use session_core::SessionHeader;
///
/// let plain = SessionHeader::named("x-session");
/// let bearer = SessionHeader::bearer();
/// # let _ = (plain, bearer);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionHeader {
    request: String,
    response: String,
    scheme: Option<&'static str>,
}

impl SessionHeader {
    /// The token alone, in the request header `name`, and in the response header of that name.
    pub fn named(name: impl Into<String>) -> Self {
        let name = name.into().to_ascii_lowercase();
        Self { request: name.clone(), response: name, scheme: None }
    }

    /// `Authorization: Bearer <token>` (RFC 6750, section 2.1); the response header is
    /// `session-token`.
    pub fn bearer() -> Self {
        Self {
            request: "authorization".into(),
            response: "session-token".into(),
            scheme: Some("bearer"),
        }
    }

    /// Another name for the response header.
    #[must_use]
    pub fn response_header_named(mut self, name: impl Into<String>) -> Self {
        self.response = name.into().to_ascii_lowercase();
        self
    }

    pub(super) fn request_header(&self) -> &str {
        &self.request
    }

    pub(super) fn response_header(&self) -> &str {
        &self.response
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        for (field, name) in [("header.name", &self.request), ("header.response", &self.response)] {
            if !(1..=64).contains(&name.len()) || !name.bytes().all(is_token_byte) {
                return Err(Error::misconfigured(
                    field,
                    format_args!("{name:.80?}"),
                    "a header name is 1 to 64 token characters (RFC 9110, section 5.1)",
                ));
            }
            if ["cookie", "set-cookie", "set-cookie2"].contains(&name.as_str()) {
                let reason = "cookies have rules of their own: use a session cookie instead";
                return Err(Error::misconfigured(field, name, reason));
            }
        }
        Ok(())
    }

    pub(super) fn find<'a>(&self, values: impl Iterator<Item = &'a [u8]>) -> Presented {
        Presented::from_values(values.filter_map(|value| match self.scheme {
            None => Some(value),
            // Another scheme is somebody else's.
            Some(scheme) => strip_scheme(value, scheme),
        }))
    }
}

/// What follows the scheme, which is case-insensitive (RFC 9110, section 11.1).
fn strip_scheme<'a>(value: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (name, rest) = value.split_at_checked(scheme.len())?;
    let separated = rest.is_empty() || rest.starts_with(b" ");
    (separated && name.eq_ignore_ascii_case(scheme.as_bytes())).then(|| rest.trim_ascii())
}

/// Whether a byte may be part of a name in HTTP (RFC 9110, section 5.6.2).
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(header: &SessionHeader, values: &[&[u8]]) -> String {
        match header.find(values.iter().copied()) {
            Presented::Value(value) => String::from_utf8(value.into()).unwrap(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn bearer_takes_its_own_scheme_only() {
        let bearer = SessionHeader::bearer();
        assert_eq!(found(&bearer, &[b"Bearer abc"]), "abc");
        assert_eq!(found(&bearer, &[b"bEARER   abc"]), "abc");
        assert_eq!(found(&bearer, &[b"Basic dTpw"]), "Nothing");
        assert_eq!(found(&bearer, &[b"Bearerabc"]), "Nothing");
        assert_eq!(found(&bearer, &[b"Bearer"]), "Malformed");
        assert_eq!(found(&bearer, &[b"Bearer a", b"Bearer b"]), "Malformed");
        assert_eq!(found(&bearer, &[b"Basic dTpw", b"Bearer b"]), "b");
        assert_eq!(found(&bearer, &[]), "Nothing");
    }

    #[test]
    fn names_that_no_header_can_have_are_refused() {
        assert!(SessionHeader::named("X-Session").check().is_ok());
        for name in ["", "x session", "x:y", "é", "Cookie", "set-cookie", &"x".repeat(65)] {
            assert!(SessionHeader::named(name).check().is_err(), "{name:?}");
        }
        assert!(SessionHeader::bearer().response_header_named("a b").check().is_err());
    }
}

//! Tokens in a cookie (RFC 6265bis).

mod cipher;

use std::fmt::Write as _;
use std::mem::discriminant;
use std::time::Duration;

use cookie::{Cookie, CookieBuilder, Expiration};

use self::cipher::Cipher;
use super::Presented;
use super::header::is_token_byte;
use crate::error::Error;
#[cfg(feature = "secure-cookies")]
use crate::key_ring::KeyRing;
use crate::namespace::Namespace;
use crate::sessions::fixed;
use crate::token::Token;

/// Which requests from other sites carry the cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// None.
    Strict,
    /// Following a link does.
    #[default]
    Lax,
    /// All. Only together with `Secure`.
    None,
}

/// How long a browser keeps the cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookieLifetime {
    /// Until it is closed.
    Browser,
    /// As long as the session lives, across restarts of the browser. The cookie is renewed
    /// whenever the session's idle deadline moves.
    Persistent,
    /// Until it is closed, except for sessions with timeouts of their own: "remember me".
    #[default]
    Remembered,
}

/// The cookie that holds a session's token.
///
/// # Default
///
/// `__Host-session`, `Secure`, `HttpOnly`, `SameSite=Lax`, `Path=/`, no `Domain`: what OWASP
/// ASVS 5.0 (3.3.1 to 3.3.4) asks for.
///
/// The rules that browsers apply are checked when the [`Sessions`](crate::Sessions) are built,
/// not when the first cookie is silently dropped.
///
/// ```
/// use session_core::{SameSite, SessionCookie};
///
/// let cookie = SessionCookie::new("__Secure-id").domain("example.org").same_site(SameSite::Strict);
/// # let _ = cookie;
/// ```
#[derive(Clone, Debug)]
pub struct SessionCookie {
    name: String,
    path: String,
    domain: Option<String>,
    same_site: SameSite,
    lifetime: CookieLifetime,
    secure: bool,
    http_only: bool,
    partitioned: bool,
    protection: Protection,
}

/// How the cookie's value is protected, beyond being impossible to guess.
#[derive(Clone, Debug)]
enum Protection {
    Plain,
    #[cfg(feature = "secure-cookies")]
    Signed(KeyRing),
    #[cfg(feature = "secure-cookies")]
    Encrypted(KeyRing),
}

impl SessionCookie {
    /// The longest time for which browsers keep a cookie.
    pub const MAX_AGE: Duration = Duration::from_secs(400 * 24 * 3600);

    /// A cookie of this name, with the defaults for everything else.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            path: "/".into(),
            domain: None,
            same_site: SameSite::default(),
            lifetime: CookieLifetime::default(),
            secure: true,
            http_only: true,
            partitioned: false,
            protection: Protection::Plain,
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends the cookie to this path and below only.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sends the cookie to this domain and all its subdomains, not to this host alone.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Which requests from other sites carry the cookie.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// How long a browser keeps the cookie.
    #[must_use]
    pub fn lifetime(mut self, lifetime: CookieLifetime) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Keeps a cookie set inside a frame apart for every site that embeds it (CHIPS).
    #[must_use]
    pub fn partitioned(mut self) -> Self {
        self.partitioned = true;
        self
    }

    /// Lets the cookie travel without TLS, where anybody on the way can take it. For
    /// development, or where TLS is impossible.
    #[must_use]
    pub fn danger_send_without_tls(mut self) -> Self {
        self.secure = false;
        self
    }

    /// Lets scripts read the cookie, and so whatever script an attacker gets into a page.
    #[must_use]
    pub fn danger_readable_by_scripts(mut self) -> Self {
        self.http_only = false;
        self
    }

    /// Signs the value with the first key; the signature of any key in the ring is accepted.
    ///
    /// A token cannot be guessed anyway: a signature rejects forged ones without asking the
    /// store.
    #[cfg(feature = "secure-cookies")]
    #[must_use]
    pub fn signed(mut self, keys: KeyRing) -> Self {
        self.protection = Protection::Signed(keys);
        self
    }

    /// Encrypts the value with the first key; what any key in the ring opens is accepted.
    #[cfg(feature = "secure-cookies")]
    #[must_use]
    pub fn encrypted(mut self, keys: KeyRing) -> Self {
        self.protection = Protection::Encrypted(keys);
        self
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse = |field: &'static str, value: &str, reason: &str| {
            Err(Error::misconfigured(field, format_args!("{value:?}"), reason))
        };
        let name = self.name.as_str();
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            let reason = "a cookie name is one or more token characters (RFC 9110, section 5.6.2)";
            return refuse("cookie.name", name, reason);
        }
        if !self.path.starts_with('/') || self.path.bytes().any(is_not_attribute_byte) {
            let reason = "a path starts with `/` and has no `;` and no control characters";
            return refuse("cookie.path", &self.path, reason);
        }
        if let Some(domain) = &self.domain
            && !is_domain(domain)
        {
            return refuse("cookie.domain", domain, "this is not a domain name");
        }
        // Browsers compare the prefixes without regard to case (RFC 6265bis, section 4.1.3).
        let has_prefix = |prefix: &str| {
            name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        if has_prefix("__Host-") {
            if let Some(domain) = &self.domain {
                let reason = "a `__Host-` cookie belongs to one host: leave the domain out, or \
                              choose another name";
                return refuse("cookie.domain", domain, reason);
            }
            if self.path != "/" {
                return refuse("cookie.path", &self.path, "a `__Host-` cookie has the path `/`");
            }
        }
        if !self.secure {
            let reason = if has_prefix("__Host-") || has_prefix("__Secure-") {
                format!("the prefix of the name `{name}` demands `Secure`")
            } else if self.same_site == SameSite::None {
                "`SameSite=None` demands `Secure`".into()
            } else if self.partitioned {
                "`Partitioned` demands `Secure`".into()
            } else {
                return Ok(());
            };
            return Err(Error::misconfigured("cookie.secure", false, reason));
        }
        Ok(())
    }
}

impl Default for SessionCookie {
    fn default() -> Self {
        Self::new("__Host-session")
    }
}

fn is_not_attribute_byte(byte: u8) -> bool {
    byte == b';' || byte.is_ascii_control() || !byte.is_ascii()
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    domain.len() <= 253 && domain.split('.').all(is_label)
}

/// A cookie whose rules have been checked.
#[derive(Debug)]
pub(crate) struct CookieTransport {
    cookie: SessionCookie,
    cipher: Cipher,
}

impl CookieTransport {
    /// Largest name and value together that browsers accept.
    const MAX_PAIR: usize = 4096;

    pub(super) fn new(cookie: SessionCookie, namespace: &Namespace) -> Result<Self, Error> {
        let cipher = Cipher::new(&cookie.protection, &cookie.name, namespace);
        let longest = cipher.wrap(&cookie.name, "A".repeat(Token::TEXT_LEN)).len();
        let pair = cookie.name.len() + longest;
        if pair > Self::MAX_PAIR {
            return Err(Error::misconfigured(
                "cookie.name",
                format_args!("{} bytes", cookie.name.len()),
                "name and value together are 4,096 bytes at most",
            ));
        }
        Ok(Self { cookie, cipher })
    }

    pub(super) fn succeed(&self, earlier: &Self) -> Result<(), Error> {
        let SessionCookie {
            name,
            path,
            domain,
            same_site: _,
            lifetime: _,
            secure: _,
            http_only: _,
            partitioned,
            protection,
        } = &self.cookie;
        let earlier = &earlier.cookie;
        // By these a browser tells cookies apart (RFC 6265bis, section 5.7): it would hold two of
        // the name, and none would be taken for the session's.
        if *name != earlier.name {
            return Err(fixed("cookie.name", format_args!("{name:?}")));
        }
        if *path != earlier.path {
            return Err(fixed("cookie.path", format_args!("{path:?}")));
        }
        if *domain != earlier.domain {
            return Err(fixed("cookie.domain", domain.as_deref().unwrap_or("none")));
        }
        if *partitioned != earlier.partitioned {
            return Err(fixed("cookie.partitioned", partitioned));
        }
        if discriminant(protection) != discriminant(&earlier.protection) {
            return Err(fixed("cookie.protection", "another"));
        }
        Ok(())
    }

    pub(super) fn find<'a>(&self, headers: impl Iterator<Item = &'a [u8]>) -> Presented {
        let name = self.cookie.name.as_bytes();
        Presented::from_values(headers.flat_map(|header| values_named(header, name)))
    }

    pub(super) fn read(&self, value: &[u8]) -> Option<Token> {
        match &self.cipher {
            Cipher::Plain => Token::parse(value),
            #[cfg(feature = "secure-cookies")]
            cipher => {
                let value = std::str::from_utf8(value).ok()?;
                Token::parse(cipher.unwrap(&self.cookie.name, value)?.as_bytes())
            }
        }
    }

    /// Whether what a client presents says that it is ours.
    pub(super) fn is_verified(&self) -> bool {
        !matches!(self.cipher, Cipher::Plain)
    }

    pub(super) fn set(&self, token: &Token, max_age: Option<Duration>) -> String {
        let value = self.cipher.wrap(&self.cookie.name, token.to_text());
        let mut cookie = self.with_attributes(value);
        if let Some(max_age) = max_age {
            // Whole seconds, rounded up: a zero would remove the cookie.
            let seconds = max_age.as_millis().div_ceil(1000).max(1) as i64;
            cookie = cookie.max_age(cookie::time::Duration::seconds(seconds));
        }
        written(&cookie.build())
    }

    pub(super) fn clear(&self) -> String {
        let past = cookie::time::OffsetDateTime::UNIX_EPOCH;
        let cookie = self
            .with_attributes(String::new())
            .max_age(cookie::time::Duration::ZERO)
            .expires(Expiration::DateTime(past));
        written(&cookie.build())
    }

    pub(super) fn max_age(&self, remaining: Duration, own_timeouts: bool) -> Option<Duration> {
        let persists = match self.cookie.lifetime {
            CookieLifetime::Browser => false,
            CookieLifetime::Persistent => true,
            CookieLifetime::Remembered => own_timeouts,
        };
        persists.then_some(remaining.min(SessionCookie::MAX_AGE))
    }

    /// Every cookie, be it to set or to remove, is made here: a browser removes only the cookie
    /// whose attributes match those it was set with.
    fn with_attributes(&self, value: String) -> CookieBuilder<'_> {
        let SessionCookie {
            name,
            path,
            domain,
            same_site,
            lifetime: _,
            secure,
            http_only,
            partitioned,
            protection: _,
        } = &self.cookie;
        let mut cookie = Cookie::build((name, value))
            .path(path)
            .same_site(match same_site {
                SameSite::Strict => cookie::SameSite::Strict,
                SameSite::Lax => cookie::SameSite::Lax,
                SameSite::None => cookie::SameSite::None,
            })
            .secure(*secure)
            .http_only(*http_only)
            .partitioned(*partitioned);
        if let Some(domain) = domain {
            cookie = cookie.domain(domain);
        }
        cookie
    }
}

/// What the header says, written at once: most cookies fit.
fn written(cookie: &Cookie<'_>) -> String {
    let mut text = String::with_capacity(192);
    // A string takes all that is written to it.
    let _ = write!(text, "{cookie}");
    text
}

/// The values of the cookie `name` in one header. Only this one cookie is looked at, not the jar.
fn values_named<'a>(header: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(header);
    std::iter::from_fn(move || {
        loop {
            let pairs = rest?;
            let pair = match memchr::memchr(b';', pairs) {
                Some(end) => {
                    rest = Some(&pairs[end + 1..]);
                    &pairs[..end]
                }
                None => {
                    rest = None;
                    pairs
                }
            };
            let pair = trim_blanks(pair);
            if let Some(value) = pair.strip_prefix(name).and_then(|tail| tail.strip_prefix(b"=")) {
                return Some(value);
            }
        }
    })
}

/// Drops spaces and tabs around a pair, and nothing else that some parsers call white space.
fn trim_blanks(mut pair: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', tail @ ..] = pair {
        pair = tail;
    }
    while let [head @ .., b' ' | b'\t'] = pair {
        pair = head;
    }
    pair
}

#[cfg(test)]
mod tests;

//! `[session]`: what is set once, whatever keeps the sessions.

use serde::Deserialize;
use session_core::codec::Limits;
use session_core::{
    Caching, CookieLifetime, Error, ErrorKind, SameSite, SessionCookie, SessionHeader,
    SessionLimit, SessionsBuilder, Timeouts,
};

use super::{Period, Registry, Size};

/// What is the same for all sessions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
pub(super) struct SessionSettings {
    /// The name of a store under `[stores]`. Default: the only one.
    store: Option<String>,
    /// What keeps kinds of session apart, in keys and in what is sealed. Default: the cookie's
    /// name.
    namespace: Option<String>,
    /// How long a session lives unused. Default: "30m".
    idle_timeout: Option<Period>,
    /// How long a session lives at most. Default: "12h".
    absolute_timeout: Option<Period>,
    /// After which part of the idle timeout use is written down, from 0 to 1. Default: 0.1.
    touch_after: Option<f64>,
    /// The cookie that the token travels in.
    cookie: Option<CookieSettings>,
    /// A header that the token travels in instead. Default: none.
    header: Option<HeaderSettings>,
    /// How payloads are encoded. Default: "json".
    codec: Option<String>,
    /// Compresses payloads above a size. Default: none.
    compress: Option<CompressSettings>,
    /// Encrypts stored payloads. Default: none.
    encrypt: Option<RingSettings>,
    /// The most that a session may hold. Default: "256KiB".
    max_payload: Option<Size>,
    /// How many sessions a subject may have. Default: any number.
    session_limit: Option<LimitSettings>,
    /// How often a save is tried while others keep writing. Default: 1000.
    max_attempts: Option<usize>,
    /// What responses that used a session say to caches. Default: "no-store".
    caching: Option<CachingName>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
enum CachingName {
    NoStore,
    NoCacheSetCookie,
}

/// `{ sessions = 5, over = "evict-oldest" }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
struct LimitSettings {
    /// As many at most.
    sessions: usize,
    /// What a log-in does that is one too many.
    over: OverName,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
enum OverName {
    EvictOldest,
    Refuse,
}

/// What the browser is told.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
struct CookieSettings {
    /// Default: "__Host-session".
    name: Option<String>,
    /// Default: "/".
    path: Option<String>,
    /// Default: the host alone.
    domain: Option<String>,
    /// Sent by TLS alone. Default: true.
    secure: Option<bool>,
    /// Hidden from scripts. Default: true.
    http_only: Option<bool>,
    /// Which requests of other sites it comes with. Default: "lax".
    same_site: Option<SameSiteName>,
    /// How long a browser keeps it. Default: "remembered".
    lifetime: Option<LifetimeName>,
    /// One for each site that this one is embedded in. Default: false.
    partitioned: Option<bool>,
    /// Signs the value. Default: none.
    sign: Option<RingSettings>,
    /// Encrypts the value. Default: none.
    encrypt: Option<RingSettings>,
}

/// `{ name = "x-session" }` or `{ scheme = "bearer" }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
struct HeaderSettings {
    /// The request header that is the token alone.
    name: Option<String>,
    /// The scheme of `Authorization` that the token has.
    scheme: Option<SchemeName>,
    /// The response header. Default: `name`, or "session-token".
    response: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
enum SchemeName {
    Bearer,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
enum SameSiteName {
    Strict,
    Lax,
    None,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
enum LifetimeName {
    Browser,
    Persistent,
    Remembered,
}

/// `{ over = "1KiB" }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
#[cfg_attr(not(feature = "compress"), expect(dead_code, reason = "read, and then refused"))]
struct CompressSettings {
    /// From which size on.
    over: Size,
}

/// `{ keys = ["base64:…"] }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    not(any(feature = "encrypt", feature = "secure-cookies")),
    expect(dead_code, reason = "read, and then refused")
)]
struct RingSettings {
    /// The first key makes, all open.
    keys: Vec<String>,
}

impl SessionSettings {
    pub(super) fn store(&self) -> Option<&str> {
        self.store.as_deref()
    }

    /// How long sessions live that have no timeouts of their own.
    pub(super) fn timeouts(&self) -> Result<Timeouts, Error> {
        let default = Timeouts::default();
        let idle = self.idle_timeout.map_or(default.idle(), |timeout| timeout.0);
        let absolute = self.absolute_timeout.map_or(default.absolute(), |timeout| timeout.0);
        Timeouts::new(idle, absolute).map_err(|error| error.within("session"))
    }

    /// Everything but the store. Errors name settings by their whole path.
    pub(super) fn apply(
        &self,
        builder: SessionsBuilder,
        registry: &Registry,
    ) -> Result<SessionsBuilder, Error> {
        let builder = builder.timeouts(self.timeouts()?);
        self.choose(builder, registry).map_err(|error| error.within("session"))
    }

    fn choose(
        &self,
        mut builder: SessionsBuilder,
        registry: &Registry,
    ) -> Result<SessionsBuilder, Error> {
        let mut limits = Limits::default();
        if let Some(bytes) = self.max_payload {
            limits = limits.with_max_payload(bytes.0)?;
        }
        builder = self.transport(builder.limits(limits))?;
        if let Some(namespace) = &self.namespace {
            builder = builder.namespace(namespace);
        }
        if let Some(part) = self.touch_after {
            builder = builder.touch_after(part);
        }
        if let Some(limit) = &self.session_limit {
            builder = builder.session_limit(limit.build()?);
        }
        if let Some(attempts) = self.max_attempts {
            builder = builder.max_attempts(attempts);
        }
        if let Some(caching) = self.caching {
            builder = builder.caching(match caching {
                CachingName::NoStore => Caching::NoStore,
                CachingName::NoCacheSetCookie => Caching::NoCacheSetCookie,
            });
        }
        builder = registry.choose_codec(self.codec.as_deref(), builder)?;
        if let Some(compress) = &self.compress {
            builder = compress.apply(builder)?;
        }
        if let Some(encrypt) = &self.encrypt {
            builder = encrypt.seal(builder)?;
        }
        Ok(builder)
    }

    fn transport(&self, builder: SessionsBuilder) -> Result<SessionsBuilder, Error> {
        match (&self.cookie, &self.header) {
            (None, None) => Ok(builder),
            (Some(cookie), None) => Ok(builder.cookie(cookie.build()?)),
            (None, Some(header)) => Ok(builder.header(header.build()?)),
            (Some(_), Some(_)) => {
                let reason = "a token travels in a cookie or in a header, not in both";
                Err(Error::new(ErrorKind::Misconfigured, reason).with("field", "header"))
            }
        }
    }
}

impl HeaderSettings {
    fn build(&self) -> Result<SessionHeader, Error> {
        let header = match (&self.name, self.scheme) {
            (Some(name), None) => SessionHeader::named(name),
            (None, Some(SchemeName::Bearer)) => SessionHeader::bearer(),
            _ => {
                let reason = "a header has a `name`, or a `scheme` of `Authorization`";
                return Err(Error::new(ErrorKind::Misconfigured, reason).with("field", "header"));
            }
        };
        Ok(match &self.response {
            Some(name) => header.response_header_named(name),
            None => header,
        })
    }
}

impl LimitSettings {
    fn build(&self) -> Result<SessionLimit, Error> {
        let limit = match self.over {
            OverName::EvictOldest => SessionLimit::evict_oldest(self.sessions),
            OverName::Refuse => SessionLimit::refuse(self.sessions),
        };
        limit.map_err(|error| error.within("session_limit"))
    }
}

impl CookieSettings {
    fn build(&self) -> Result<SessionCookie, Error> {
        let mut cookie = match &self.name {
            Some(name) => SessionCookie::new(name),
            None => SessionCookie::default(),
        };
        if let Some(path) = &self.path {
            cookie = cookie.path(path);
        }
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(domain);
        }
        if self.secure == Some(false) {
            cookie = cookie.danger_send_without_tls();
        }
        if self.http_only == Some(false) {
            cookie = cookie.danger_readable_by_scripts();
        }
        if let Some(same_site) = self.same_site {
            cookie = cookie.same_site(match same_site {
                SameSiteName::Strict => SameSite::Strict,
                SameSiteName::Lax => SameSite::Lax,
                SameSiteName::None => SameSite::None,
            });
        }
        if let Some(lifetime) = self.lifetime {
            cookie = cookie.lifetime(match lifetime {
                LifetimeName::Browser => CookieLifetime::Browser,
                LifetimeName::Persistent => CookieLifetime::Persistent,
                LifetimeName::Remembered => CookieLifetime::Remembered,
            });
        }
        if self.partitioned == Some(true) {
            cookie = cookie.partitioned();
        }
        match (&self.sign, &self.encrypt) {
            (None, None) => Ok(cookie),
            (Some(ring), None) => ring.sign(cookie),
            (None, Some(ring)) => ring.encrypt(cookie),
            (Some(_), Some(_)) => {
                let reason = "an encrypted cookie is authenticated already: leave out `sign`";
                Err(Error::new(ErrorKind::Misconfigured, reason).with("field", "cookie.sign"))
            }
        }
    }
}

impl CompressSettings {
    #[cfg(feature = "compress")]
    fn apply(&self, builder: SessionsBuilder) -> Result<SessionsBuilder, Error> {
        Ok(builder.compress_over(self.over.0))
    }

    #[cfg(not(feature = "compress"))]
    fn apply(&self, _: SessionsBuilder) -> Result<SessionsBuilder, Error> {
        Err(needs_feature("compress", "compress"))
    }
}

impl RingSettings {
    #[cfg(feature = "encrypt")]
    fn seal(&self, builder: SessionsBuilder) -> Result<SessionsBuilder, Error> {
        Ok(builder.encrypt(self.ring().map_err(|error| error.within("encrypt"))?))
    }

    #[cfg(not(feature = "encrypt"))]
    fn seal(&self, _: SessionsBuilder) -> Result<SessionsBuilder, Error> {
        Err(needs_feature("encrypt", "encrypt"))
    }

    #[cfg(feature = "secure-cookies")]
    fn sign(&self, cookie: SessionCookie) -> Result<SessionCookie, Error> {
        Ok(cookie.signed(self.ring().map_err(|error| error.within("cookie.sign"))?))
    }

    #[cfg(feature = "secure-cookies")]
    fn encrypt(&self, cookie: SessionCookie) -> Result<SessionCookie, Error> {
        Ok(cookie.encrypted(self.ring().map_err(|error| error.within("cookie.encrypt"))?))
    }

    #[cfg(not(feature = "secure-cookies"))]
    fn sign(&self, _: SessionCookie) -> Result<SessionCookie, Error> {
        Err(needs_feature("cookie.sign", "secure-cookies"))
    }

    #[cfg(not(feature = "secure-cookies"))]
    fn encrypt(&self, _: SessionCookie) -> Result<SessionCookie, Error> {
        Err(needs_feature("cookie.encrypt", "secure-cookies"))
    }

    #[cfg(any(feature = "encrypt", feature = "secure-cookies"))]
    fn ring(&self) -> Result<session_core::KeyRing, Error> {
        let keys = self.keys.iter().map(|key| {
            key.strip_prefix("base64:").ok_or_else(|| {
                Error::new(ErrorKind::Misconfigured, "a key is written `base64:` and the key")
                    .with("field", "keys")
            })
        });
        session_core::KeyRing::from_base64(keys.collect::<Result<Vec<_>, _>>()?)
    }
}

#[allow(unused, reason = "with every feature on, nothing is refused")]
fn needs_feature(field: &'static str, feature: &str) -> Error {
    let reason = format!("this needs the feature `{feature}` of session-kit");
    Error::new(ErrorKind::Misconfigured, reason).with("field", field)
}

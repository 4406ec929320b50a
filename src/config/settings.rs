//! The settings there are.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use session_core::codec::Limits;
use session_core::{
    CookieLifetime, Error, ErrorKind, SameSite, SessionCookie, SessionLimit, Sessions,
    SessionsBuilder, Store, Timeouts,
};
use toml::Value;

use super::layered::LayeredSettings;
use super::redis::RedisSettings;
use super::sql::SqlSettings;
use super::stores::Stores;

/// `[session]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionSettings {
    /// The store's name under `[stores]`.
    store: String,
    /// Default: the cookie's name.
    namespace: Option<String>,
    /// Default: 30 minutes.
    #[serde(default, deserialize_with = "duration")]
    idle_timeout: Option<Duration>,
    /// Default: 12 hours.
    #[serde(default, deserialize_with = "duration")]
    absolute_timeout: Option<Duration>,
    /// Default: 0.1.
    #[serde(default, deserialize_with = "plain_or_text")]
    touch_after: Option<f64>,
    #[serde(default)]
    cookie: CookieSettings,
    #[serde(default)]
    codec: CodecName,
    /// Default: nothing is compressed.
    compress: Option<CompressSettings>,
    /// Default: nothing is encrypted.
    encrypt: Option<RingSettings>,
    /// The most that a session may hold. Default: 256 KiB.
    #[serde(default, deserialize_with = "size")]
    max_payload: Option<usize>,
    /// Default: a subject may have any number of sessions.
    session_limit: Option<LimitSettings>,
}

/// `session_limit = { sessions = 5, over = "evict-oldest" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitSettings {
    #[serde(deserialize_with = "required_plain_or_text")]
    sessions: usize,
    over: OverName,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OverName {
    EvictOldest,
    Refuse,
}

/// `cookie = { … }`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CookieSettings {
    /// Default: `__Host-session`.
    name: Option<String>,
    /// Default: `/`.
    path: Option<String>,
    /// Default: the host alone.
    domain: Option<String>,
    /// Default: true.
    #[serde(default, deserialize_with = "plain_or_text")]
    secure: Option<bool>,
    /// Default: true.
    #[serde(default, deserialize_with = "plain_or_text")]
    http_only: Option<bool>,
    /// Default: `lax`.
    same_site: Option<SameSiteName>,
    /// Default: `remembered`.
    lifetime: Option<LifetimeName>,
    /// Default: false.
    #[serde(default, deserialize_with = "plain_or_text")]
    partitioned: Option<bool>,
    /// Default: the value is not signed.
    sign: Option<RingSettings>,
    /// Default: the value is not encrypted.
    encrypt: Option<RingSettings>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SameSiteName {
    Strict,
    Lax,
    None,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LifetimeName {
    Browser,
    Persistent,
    Remembered,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CodecName {
    #[default]
    Json,
    Msgpack,
    Cbor,
}

/// `compress = { over = "1KiB" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "compress"), expect(dead_code, reason = "read, and then refused"))]
struct CompressSettings {
    #[serde(deserialize_with = "required_size")]
    over: usize,
}

/// `{ keys = ["base64:…"] }`: the first key makes, all open.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RingSettings {
    keys: Vec<String>,
}

impl fmt::Debug for RingSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RingSettings({} keys)", self.keys.len())
    }
}

impl SessionSettings {
    pub(super) fn store(&self) -> &str {
        &self.store
    }

    pub(super) fn build(
        &self,
        store: Arc<dyn Store>,
        watch: impl FnOnce(SessionsBuilder) -> SessionsBuilder,
    ) -> Result<Sessions, Error> {
        let sessions = self.compose(store).and_then(|builder| watch(builder).build());
        sessions.map_err(|error| error.within("session"))
    }

    /// How long a session lives at most, unless it has timeouts of its own.
    pub(super) fn absolute_timeout(&self) -> Duration {
        self.absolute_timeout.unwrap_or(Timeouts::default().absolute())
    }

    fn compose(&self, store: Arc<dyn Store>) -> Result<SessionsBuilder, Error> {
        let idle_timeout = self.idle_timeout.unwrap_or(Timeouts::default().idle());
        let timeouts = Timeouts::new(idle_timeout, self.absolute_timeout())?;
        let mut limits = Limits::default();
        if let Some(bytes) = self.max_payload {
            limits = limits.with_max_payload(bytes)?;
        }
        let mut builder = Sessions::builder_shared(store)
            .timeouts(timeouts)
            .limits(limits)
            .cookie(self.cookie.build()?);
        if let Some(namespace) = &self.namespace {
            builder = builder.namespace(namespace);
        }
        if let Some(part) = self.touch_after {
            builder = builder.touch_after(part);
        }
        if let Some(limit) = &self.session_limit {
            builder = builder.session_limit(limit.build()?);
        }
        builder = self.codec.choose(builder)?;
        if let Some(compress) = &self.compress {
            builder = compress.apply(builder)?;
        }
        if let Some(encrypt) = &self.encrypt {
            builder = encrypt.seal(builder)?;
        }
        Ok(builder)
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

impl CodecName {
    fn choose(self, builder: SessionsBuilder) -> Result<SessionsBuilder, Error> {
        match self {
            Self::Json => Ok(builder),
            #[cfg(feature = "msgpack")]
            Self::Msgpack => Ok(builder.codec(session_core::codec::MessagePack)),
            #[cfg(feature = "cbor")]
            Self::Cbor => Ok(builder.codec(session_core::codec::Cbor)),
            #[cfg(not(feature = "msgpack"))]
            Self::Msgpack => Err(needs_feature("codec", "msgpack")),
            #[cfg(not(feature = "cbor"))]
            Self::Cbor => Err(needs_feature("codec", "cbor")),
        }
    }
}

impl CompressSettings {
    #[cfg(feature = "compress")]
    fn apply(&self, builder: SessionsBuilder) -> Result<SessionsBuilder, Error> {
        Ok(builder.compress_over(self.over))
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

/// `[stores.NAME]`
#[derive(Debug)]
pub(super) enum StoreSettings {
    Memory(MemorySettings),
    Redis(Box<RedisSettings>),
    Sql(Box<SqlSettings>),
    Layered(LayeredSettings),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "memory"), expect(dead_code, reason = "read, and then refused"))]
pub(super) struct MemorySettings {
    /// Default: one million.
    #[serde(default, deserialize_with = "plain_or_text")]
    max_sessions: Option<usize>,
    /// Default: 512 MiB.
    #[serde(default, deserialize_with = "size")]
    max_bytes: Option<usize>,
    /// Default: one minute.
    #[serde(default, deserialize_with = "duration")]
    sweep_every: Option<Duration>,
}

impl StoreSettings {
    pub(super) fn read(name: &str, section: Value) -> Result<Self, Error> {
        let path = format!("stores.{name}");
        let Value::Table(mut table) = section else {
            let reason = "a store is a section";
            return Err(Error::new(ErrorKind::Misconfigured, reason).with("field", path));
        };
        let kind = match table.remove("kind") {
            Some(Value::String(kind)) => kind,
            Some(_) | None => {
                let reason = format!("a store says of what kind it is; there are: {KINDS}");
                return Err(Error::new(ErrorKind::Misconfigured, reason)
                    .with("field", format_args!("{path}.kind")));
            }
        };
        match kind.as_str() {
            "memory" => Ok(Self::Memory(super::decode(&path, table)?)),
            "redis" => Ok(Self::Redis(Box::new(super::decode(&path, table)?))),
            "sql" => Ok(Self::Sql(Box::new(super::decode(&path, table)?))),
            "layered" => Ok(Self::Layered(super::decode(&path, table)?)),
            _ => {
                let reason = format!("there is no such kind; there are: {KINDS}");
                let error = Error::new(ErrorKind::Misconfigured, reason);
                let error = error.with("field", format_args!("{path}.kind"));
                Err(if super::looks_secret(&kind) {
                    error
                } else {
                    error.with("value", format_args!("{kind:?}"))
                })
            }
        }
    }

    pub(super) fn build(
        &self,
        name: &str,
        stores: &mut Stores<'_>,
    ) -> Result<Arc<dyn Store>, Error> {
        let built = match self {
            Self::Memory(settings) => settings.build(),
            Self::Redis(settings) => settings.build(),
            Self::Sql(settings) => settings.build(),
            // Its errors may be those of the store that it names.
            Self::Layered(settings) => return settings.build(name, stores),
        };
        built.map_err(|error| error.within(&format!("stores.{name}")))
    }
}

const KINDS: &str = "memory, redis, sql, layered";

impl MemorySettings {
    #[cfg(feature = "memory")]
    fn build(&self) -> Result<Arc<dyn Store>, Error> {
        let mut builder = session_memory::MemoryStore::builder()
            .sweep_every(self.sweep_every.unwrap_or(Duration::from_secs(60)));
        if let Some(sessions) = self.max_sessions {
            builder = builder.max_sessions(sessions);
        }
        if let Some(bytes) = self.max_bytes {
            builder = builder.max_bytes(bytes);
        }
        Ok(Arc::new(builder.build()?))
    }

    #[cfg(not(feature = "memory"))]
    fn build(&self) -> Result<Arc<dyn Store>, Error> {
        Err(needs_feature("kind", "memory"))
    }
}

#[allow(unused, reason = "with every feature on, nothing is refused")]
pub(super) fn needs_feature(field: &'static str, feature: &str) -> Error {
    let reason = format!("this needs the feature `{feature}` of session-kit");
    Error::new(ErrorKind::Misconfigured, reason).with("field", field)
}

/// A value as TOML has it, or as a text: an environment variable has no other type.
pub(super) fn plain_or_text<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: DeserializeOwned + FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    required_plain_or_text(deserializer).map(Some)
}

pub(super) fn required_plain_or_text<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: DeserializeOwned + FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    match Value::deserialize(deserializer)? {
        Value::String(text) => text.parse().map_err(serde::de::Error::custom),
        value => value.try_into().map_err(|error| serde::de::Error::custom(error.message())),
    }
}

pub(super) fn duration<'de, D>(deserializer: D) -> Result<Option<Duration>, D::Error>
where
    D: Deserializer<'de>,
{
    required_duration(deserializer).map(Some)
}

pub(super) fn required_duration<'de, D>(deserializer: D) -> Result<Duration, D::Error>
where
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(|error| {
        serde::de::Error::custom(format!("{error}; a duration is written like \"30m\""))
    })
}

pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    required_size(deserializer).map(Some)
}

fn required_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let text = String::deserialize(deserializer)?;
    let size: bytesize::ByteSize = text.parse().map_err(|_| {
        serde::de::Error::custom("this is no size; a size is written like \"64MiB\"")
    })?;
    usize::try_from(size.as_u64()).map_err(serde::de::Error::custom)
}

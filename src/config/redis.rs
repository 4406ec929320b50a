//! `[stores.NAME]` of the kind `redis`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use session_core::{Error, Store};

use super::settings::{duration, plain_or_text, required_duration, required_plain_or_text};

/// The keys are told in the module documentation of [`config`](super), with what each costs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RedisSettings {
    /// One server. It, `sentinel` or `cluster` must be there.
    url: Option<String>,
    sentinel: Option<SentinelSettings>,
    cluster: Option<ClusterSettings>,
    /// Default: `session`.
    namespace: Option<String>,
    /// Default: 500 milliseconds.
    #[serde(default, deserialize_with = "duration")]
    timeout: Option<Duration>,
    /// Default: no replica is waited for.
    wait: Option<WaitSettings>,
    /// Default: what the URL says, else no user in particular.
    user: Option<String>,
    /// Default: what the URL says, else no log-in.
    password: Option<String>,
    /// Default: what the URL says, else 0.
    #[serde(default, deserialize_with = "plain_or_text")]
    database: Option<i64>,
    /// Default: connections have no name.
    client_name: Option<String>,
    /// Default: no user in particular.
    sentinel_user: Option<String>,
    /// Default: no log-in at the Sentinels.
    sentinel_password: Option<String>,
    /// Default: for `rediss://` the roots of the operating system, else no TLS.
    tls: Option<TlsSettings>,
    /// Default: true.
    #[serde(default, deserialize_with = "plain_or_text")]
    announcements: Option<bool>,
}

/// `sentinel = { nodes = ["10.0.0.1:26379"], master = "mymaster" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "read, and then refused"))]
struct SentinelSettings {
    nodes: Vec<String>,
    master: String,
}

/// `cluster = { nodes = ["10.0.0.1:7000"] }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "read, and then refused"))]
struct ClusterSettings {
    nodes: Vec<String>,
}

/// `wait = { replicas = 1, timeout = "100ms" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "read, and then refused"))]
struct WaitSettings {
    #[serde(deserialize_with = "required_plain_or_text")]
    replicas: u32,
    #[serde(deserialize_with = "required_duration")]
    timeout: Duration,
}

/// `tls = { roots = "ca.pem", certificate = "client.pem", key = "client.key" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "redis-tls"), expect(dead_code, reason = "read, and then refused"))]
struct TlsSettings {
    /// Default: those of the operating system.
    roots: Option<String>,
    /// Default: no certificate is shown.
    certificate: Option<String>,
    /// Default: no certificate is shown.
    key: Option<String>,
}

/// Neither passwords, nor what may hold one by mistake.
impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url,
            sentinel,
            cluster,
            namespace,
            timeout,
            wait,
            user,
            password,
            database,
            client_name,
            sentinel_user,
            sentinel_password,
            tls,
            announcements,
        } = self;
        let hide = |text: &Option<String>| text.as_ref().map(|_| "(hidden)");
        f.debug_struct("RedisSettings")
            .field("url", &hide(url))
            .field("sentinel", &sentinel.as_ref().map(|_| "(hidden)"))
            .field("cluster", &cluster.as_ref().map(|_| "(hidden)"))
            .field("namespace", namespace)
            .field("timeout", timeout)
            .field("wait", wait)
            .field("user", user)
            .field("password", &hide(password))
            .field("database", database)
            .field("client_name", &hide(client_name))
            .field("sentinel_user", sentinel_user)
            .field("sentinel_password", &hide(sentinel_password))
            .field("tls", &tls.as_ref().map(|_| "(hidden)"))
            .field("announcements", announcements)
            .finish()
    }
}

#[cfg(not(feature = "redis"))]
impl RedisSettings {
    pub(super) fn build(&self) -> Result<Arc<dyn Store>, Error> {
        Err(super::settings::needs_feature("kind", "redis"))
    }
}

#[cfg(feature = "redis")]
mod build {
    use session_core::ErrorKind;
    use session_redis::{RedisStore, RedisStoreBuilder, Topology};

    use super::{Arc, Error, RedisSettings, Store};
    use crate::config::looks_secret;

    impl RedisSettings {
        pub(in crate::config) fn build(&self) -> Result<Arc<dyn Store>, Error> {
            let mut builder = RedisStore::builder(self.topology()?);
            if let Some(namespace) = &self.namespace {
                if looks_secret(namespace) {
                    return Err(wrong("namespace", "this is a name, and not where Redis is"));
                }
                builder = builder.namespace(namespace);
            }
            if let Some(timeout) = self.timeout {
                builder = builder.timeout(timeout);
            }
            if let Some(wait) = &self.wait {
                builder = builder.wait(wait.replicas, wait.timeout);
            }
            builder = self.log_in(builder)?;
            if let Some(number) = self.database {
                builder = builder.database(number);
            }
            if let Some(name) = &self.client_name {
                builder = builder.client_name(name);
            }
            builder = self.encrypt(builder)?;
            if self.announcements == Some(false) {
                builder = builder.without_announcements();
            }
            Ok(Arc::new(builder.build()?))
        }

        fn topology(&self) -> Result<Topology, Error> {
            match (&self.url, &self.sentinel, &self.cluster) {
                (Some(url), None, None) => {
                    check_scheme(url)?;
                    Topology::single(url)
                }
                (None, Some(sentinel), None) => {
                    Topology::sentinel(&sentinel.nodes, &sentinel.master)
                }
                (None, None, Some(cluster)) => Topology::cluster(&cluster.nodes),
                (None, None, None) => {
                    Err(wrong("url", "say where Redis is: by `url`, `sentinel` or `cluster`"))
                }
                (_, sentinel, _) => {
                    let field = if sentinel.is_some() { "sentinel" } else { "cluster" };
                    let reason =
                        "say where Redis is once: by one of `url`, `sentinel` and `cluster`";
                    Err(wrong(field, reason))
                }
            }
        }

        fn log_in(&self, mut builder: RedisStoreBuilder) -> Result<RedisStoreBuilder, Error> {
            match (self.user.as_deref(), &self.password) {
                (user, Some(password)) => builder = builder.credentials(user, password),
                (Some(_), None) => {
                    return Err(wrong("user", "a user needs a password: `password` is missing"));
                }
                (None, None) => {}
            }
            match (self.sentinel_user.as_deref(), &self.sentinel_password) {
                (None, None) => Ok(builder),
                (_, Some(_)) if self.sentinel.is_none() => {
                    Err(wrong("sentinel_password", "there are no Sentinels to log in to"))
                }
                (user, Some(password)) => Ok(builder.sentinel_credentials(user, password)),
                (Some(_), None) => {
                    let reason = "a user needs a password: `sentinel_password` is missing";
                    Err(wrong("sentinel_user", reason))
                }
            }
        }

        #[cfg(feature = "redis-tls")]
        fn encrypt(&self, builder: RedisStoreBuilder) -> Result<RedisStoreBuilder, Error> {
            match &self.tls {
                Some(tls) => Ok(builder.tls(tls.read()?)),
                None => Ok(builder),
            }
        }

        #[cfg(not(feature = "redis-tls"))]
        fn encrypt(&self, builder: RedisStoreBuilder) -> Result<RedisStoreBuilder, Error> {
            match self.tls {
                Some(_) => Err(super::super::settings::needs_feature("tls", "redis-tls")),
                None => Ok(builder),
            }
        }
    }

    #[cfg(feature = "redis-tls")]
    impl super::TlsSettings {
        fn read(&self) -> Result<session_redis::Tls, Error> {
            let mut tls = session_redis::Tls::new();
            if let Some(path) = &self.roots {
                tls = tls.roots(read("tls.roots", path)?);
            }
            match (&self.certificate, &self.key) {
                (Some(certificate), Some(key)) => Ok(tls.client_certificate(
                    read("tls.certificate", certificate)?,
                    read("tls.key", key)?,
                )),
                (None, None) => Ok(tls),
                (Some(_), None) => {
                    Err(wrong("tls.certificate", "a certificate needs its key: `key` is missing"))
                }
                (None, Some(_)) => {
                    Err(wrong("tls.key", "a key needs its certificate: `certificate` is missing"))
                }
            }
        }
    }

    #[cfg(feature = "redis-tls")]
    fn read(field: &'static str, path: &str) -> Result<Vec<u8>, Error> {
        if looks_secret(path) {
            return Err(wrong(field, "this is the path of a PEM file, and not what is in it"));
        }
        std::fs::read(path).map_err(|error| {
            Error::misconfigured(field, format_args!("{path:?}"), "this file cannot be read")
                .with("reason", &error)
                .with_source(error)
        })
    }

    #[cfg(feature = "redis-tls")]
    fn check_scheme(_: &str) -> Result<(), Error> {
        Ok(())
    }

    #[cfg(not(feature = "redis-tls"))]
    fn check_scheme(url: &str) -> Result<(), Error> {
        match url.split_once("://") {
            Some(("rediss" | "valkeys", _)) => {
                Err(super::super::settings::needs_feature("url", "redis-tls"))
            }
            _ => Ok(()),
        }
    }

    fn wrong(field: &'static str, reason: &str) -> Error {
        Error::new(ErrorKind::Misconfigured, reason).with("field", field)
    }
}

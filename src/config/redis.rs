//! `[stores.NAME]` of the kind `redis`.

use std::sync::Arc;

use serde::Deserialize;
use session_core::{Error, ErrorKind, Store};
use session_redis::{RedisStore, RedisStoreBuilder, Topology};

use super::secrets::looks_secret;
use super::{Context, Period};

/// Sessions in Redis: one server, Sentinel or Cluster.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
pub(super) struct RedisSettings {
    /// One server: `redis://[[user]:password@]host[:port][/database]`, or `rediss://…` for TLS.
    /// This, `sentinel` or `cluster`, and only one of them.
    url: Option<String>,
    /// The master that these Sentinels know by this name.
    sentinel: Option<SentinelSettings>,
    /// The Cluster of these nodes.
    cluster: Option<ClusterSettings>,
    /// What every key and channel begins with. Default: "session".
    namespace: Option<String>,
    /// The most that one operation may take. Default: "500ms".
    timeout: Option<Period>,
    /// Log-ins, rotations and log-outs wait for replicas. Default: for none.
    wait: Option<WaitSettings>,
    /// To log in with; needs a password. Default: the URL's.
    user: Option<String>,
    /// To log in with. Default: the URL's.
    password: Option<String>,
    /// The number of the database. Default: the URL's, else 0.
    database: Option<i64>,
    /// The connections' name in `CLIENT LIST`. Default: none.
    client_name: Option<String>,
    /// To log in to the Sentinels with. Default: none.
    sentinel_user: Option<String>,
    /// To log in to the Sentinels with. Default: none.
    sentinel_password: Option<String>,
    /// Default: for `rediss://` with the roots of the operating system, else no TLS.
    tls: Option<TlsSettings>,
    /// Whether every change is announced to the caches of all nodes. Default: true.
    announcements: Option<bool>,
}

/// `{ nodes = ["10.0.0.1:26379"], master = "mymaster" }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
struct SentinelSettings {
    /// `host:port` of each Sentinel.
    nodes: Vec<String>,
    /// The name that they know the master by.
    master: String,
}

/// `{ nodes = ["10.0.0.1:7000"] }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
struct ClusterSettings {
    /// `host:port` of some nodes, of which one that answers is enough.
    nodes: Vec<String>,
}

/// `{ replicas = 1, timeout = "100ms" }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
struct WaitSettings {
    /// How many replicas must have it.
    replicas: u32,
    /// For how long they are waited for.
    timeout: Period,
}

/// `{ roots = "ca.pem", certificate = "client.pem", key = "client.key" }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
#[cfg_attr(not(feature = "redis-tls"), expect(dead_code, reason = "read, and then refused"))]
struct TlsSettings {
    /// The path of the authorities to trust, as PEM. Default: those of the operating system.
    roots: Option<String>,
    /// The path of the certificate to show, as PEM. Default: none is shown.
    certificate: Option<String>,
    /// The path of its key, as PEM. Default: none is shown.
    key: Option<String>,
}

impl RedisSettings {
    pub(super) fn build(&self, context: &mut Context<'_>) -> Result<Arc<dyn Store>, Error> {
        let mut builder = RedisStore::builder(self.topology()?);
        if let Some(namespace) = &self.namespace {
            if looks_secret(namespace) {
                return Err(wrong("namespace", "this is a name, and not where Redis is"));
            }
            builder = builder.namespace(namespace);
        }
        if let Some(timeout) = self.timeout {
            builder = builder.timeout(timeout.0);
        }
        if let Some(wait) = &self.wait {
            builder = builder.wait(wait.replicas, wait.timeout.0);
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
            context.no_backplane_because(
                "this store does not announce its changes (`announcements`): a cache in front of \
                 it could not know what has changed elsewhere",
            );
        }
        Ok(Arc::new(builder.build()?))
    }

    fn topology(&self) -> Result<Topology, Error> {
        match (&self.url, &self.sentinel, &self.cluster) {
            (Some(url), None, None) => {
                check_scheme(url)?;
                Topology::single(url)
            }
            (None, Some(sentinel), None) => Topology::sentinel(&sentinel.nodes, &sentinel.master),
            (None, None, Some(cluster)) => Topology::cluster(&cluster.nodes),
            (None, None, None) => {
                Err(wrong("url", "say where Redis is: by `url`, `sentinel` or `cluster`"))
            }
            (_, sentinel, _) => {
                let field = if sentinel.is_some() { "sentinel" } else { "cluster" };
                let reason = "say where Redis is once: by one of `url`, `sentinel` and `cluster`";
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
            Some(_) => Err(wrong("tls", NEEDS_TLS)),
            None => Ok(builder),
        }
    }
}

#[cfg(feature = "redis-tls")]
impl TlsSettings {
    fn read(&self) -> Result<session_redis::Tls, Error> {
        let mut tls = session_redis::Tls::new();
        if let Some(path) = &self.roots {
            tls = tls.roots(read("tls.roots", path)?);
        }
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Ok(tls
                .client_certificate(read("tls.certificate", certificate)?, read("tls.key", key)?)),
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
        Some(("rediss" | "valkeys", _)) => Err(wrong("url", NEEDS_TLS)),
        _ => Ok(()),
    }
}

#[cfg(not(feature = "redis-tls"))]
const NEEDS_TLS: &str = "this needs the feature `redis-tls` of session-kit";

fn wrong(field: &'static str, reason: &str) -> Error {
    Error::new(ErrorKind::Misconfigured, reason).with("field", field)
}

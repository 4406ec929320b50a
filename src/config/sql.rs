//! `[stores.NAME]` of the kind `sql`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Deserializer};
use session_core::{Error, Store};

use super::settings::{duration, plain_or_text, required_duration};

/// The keys are told in the module documentation of [`config`](super), with what each costs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SqlSettings {
    /// Its scheme says what kind of database it is.
    url: String,
    /// Default: `sessions`.
    table: Option<String>,
    /// Default: false.
    #[serde(default, deserialize_with = "plain_or_text")]
    migrate: Option<bool>,
    /// Default: one minute.
    sweep_every: Option<SweepSettings>,
    /// Default: 500 milliseconds.
    #[serde(default, deserialize_with = "duration")]
    timeout: Option<Duration>,
    /// Default: 10.
    #[serde(default, deserialize_with = "plain_or_text")]
    max_connections: Option<usize>,
    /// Default: true on PostgreSQL; the others cannot.
    #[serde(default, deserialize_with = "plain_or_text")]
    announcements: Option<bool>,
    /// Default: false.
    #[serde(default, deserialize_with = "plain_or_text")]
    transaction_pooler: Option<bool>,
    /// Default: `url`.
    listen_url: Option<String>,
}

/// `sweep_every = "1m"`, or `"never"`.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(any(feature = "mysql", feature = "postgres", feature = "sqlite")),
    expect(dead_code, reason = "read, and then refused")
)]
enum SweepSettings {
    Every(Duration),
    Never,
}

impl<'de> Deserialize<'de> for SweepSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "never" {
            return Ok(Self::Never);
        }
        required_duration(text.into_deserializer()).map(Self::Every).map_err(|error: D::Error| {
            serde::de::Error::custom(format_args!("{error}, or it is \"never\""))
        })
    }
}

/// No address, and no password with it.
impl fmt::Debug for SqlSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url: _,
            table,
            migrate,
            sweep_every,
            timeout,
            max_connections,
            announcements,
            transaction_pooler,
            listen_url,
        } = self;
        f.debug_struct("SqlSettings")
            .field("url", &"(hidden)")
            .field("table", table)
            .field("migrate", migrate)
            .field("sweep_every", sweep_every)
            .field("timeout", timeout)
            .field("max_connections", max_connections)
            .field("announcements", announcements)
            .field("transaction_pooler", transaction_pooler)
            .field("listen_url", &listen_url.as_ref().map(|_| "(hidden)"))
            .finish()
    }
}

#[cfg(feature = "layered")]
impl SqlSettings {
    /// Why a store of these settings has no backplane.
    pub(super) fn why_silent(&self) -> &'static str {
        if !is_postgres(&self.url) {
            "no cache can be in front of this store: it could not know what has changed elsewhere. \
             MySQL has no `NOTIFY`, and SQLite would have to be asked again and again. PostgreSQL \
             and Redis announce changes"
        } else if self.announcements == Some(false) {
            "this store does not announce its changes (`announcements`): a cache in front of it \
             could not know what has changed elsewhere"
        } else {
            "nothing can be listened to through a pooler (`transaction_pooler`): say where the \
             server itself is, by `listen_url`"
        }
    }
}

#[cfg(any(feature = "layered", feature = "mysql", feature = "postgres", feature = "sqlite"))]
fn is_postgres(url: &str) -> bool {
    matches!(url.split_once(':'), Some(("postgres" | "postgresql", _)))
}

#[cfg(not(any(feature = "mysql", feature = "postgres", feature = "sqlite")))]
impl SqlSettings {
    pub(super) fn build(&self) -> Result<Arc<dyn Store>, Error> {
        let feature = match self.url.split_once(':') {
            Some(("postgres" | "postgresql", _)) => "postgres",
            Some(("mysql" | "mariadb", _)) => "mysql",
            Some(("sqlite", _)) => "sqlite",
            _ => {
                let reason = "a database is told by a URL with the scheme `postgres`, `mysql` or \
                              `sqlite`";
                let kind = session_core::ErrorKind::Misconfigured;
                return Err(Error::new(kind, reason).with("field", "url"));
            }
        };
        Err(super::settings::needs_feature("url", feature))
    }
}

#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod build {
    use session_core::ErrorKind;
    use session_sql::{Database, SqlStore, SqlStoreBuilder};

    use super::{Arc, Error, SqlSettings, Store, SweepSettings, is_postgres};
    use crate::config::looks_secret;
    use crate::config::settings::needs_feature;

    impl SqlSettings {
        pub(in crate::config) fn build(&self) -> Result<Arc<dyn Store>, Error> {
            let mut builder = SqlStore::builder(database("url", &self.url)?);
            if let Some(table) = &self.table {
                if looks_secret(table) {
                    return Err(wrong("table", "this is a name, and not where the database is"));
                }
                builder = builder.table(table);
            }
            if let Some(migrate) = self.migrate {
                builder = builder.migrate(migrate);
            }
            builder = match self.sweep_every {
                Some(SweepSettings::Every(pause)) => builder.sweep_every(pause),
                Some(SweepSettings::Never) => builder.without_sweeper(),
                None => builder,
            };
            if let Some(timeout) = self.timeout {
                builder = builder.timeout(timeout);
            }
            if let Some(connections) = self.max_connections {
                builder = builder.max_connections(connections);
            }
            Ok(Arc::new(self.announce(builder)?.build()?))
        }

        fn announce(&self, mut builder: SqlStoreBuilder) -> Result<SqlStoreBuilder, Error> {
            self.check_dialect()?;
            if self.announcements == Some(false) {
                builder = builder.without_announcements();
            }
            if self.transaction_pooler == Some(true) {
                builder = builder.through_transaction_pooler();
            }
            if let Some(url) = &self.listen_url {
                if self.announcements == Some(false) {
                    let reason = "nothing is announced that could be listened to (`announcements`)";
                    return Err(wrong("listen_url", reason));
                }
                if !is_postgres(url) {
                    return Err(wrong("listen_url", "this is where PostgreSQL itself listens"));
                }
                builder = builder.listen_at(database("listen_url", url)?);
            }
            Ok(builder)
        }

        /// What is for PostgreSQL alone is neither overlooked elsewhere nor called by the
        /// builder's name.
        fn check_dialect(&self) -> Result<(), Error> {
            let field = if is_postgres(&self.url) {
                return Ok(());
            } else if self.announcements == Some(true) {
                "announcements"
            } else if self.transaction_pooler == Some(true) {
                "transaction_pooler"
            } else if self.listen_url.is_some() {
                "listen_url"
            } else {
                return Ok(());
            };
            Err(wrong(field, "this is for PostgreSQL alone, and the sessions are elsewhere"))
        }
    }

    /// The features of this crate are called as those of the store, but for the one of TLS.
    fn database(field: &'static str, url: &str) -> Result<Database, Error> {
        Database::parse(url).map_err(|error| match error.context("feature") {
            Some("tls") => needs_feature(field, "sql-tls"),
            Some(feature) => needs_feature(field, feature),
            None if field == "url" => error,
            None => wrong(field, "this is no URL of a database, such as postgres://user@host/name"),
        })
    }

    fn wrong(field: &'static str, reason: &str) -> Error {
        Error::new(ErrorKind::Misconfigured, reason).with("field", field)
    }
}

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
    through_transaction_pooler: Option<bool>,
    /// Default: at the `url`, unless that is a pooler's.
    listen_at: Option<String>,
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

/// Neither URLs, which hold passwords, nor what may be one by mistake.
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
            through_transaction_pooler,
            listen_at,
        } = self;
        f.debug_struct("SqlSettings")
            .field("url", &"(hidden)")
            .field("table", &table.as_ref().map(|_| "(hidden)"))
            .field("migrate", migrate)
            .field("sweep_every", sweep_every)
            .field("timeout", timeout)
            .field("max_connections", max_connections)
            .field("announcements", announcements)
            .field("through_transaction_pooler", through_transaction_pooler)
            .field("listen_at", &listen_at.as_ref().map(|_| "(hidden)"))
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
            "nothing can be listened to through a pooler (`through_transaction_pooler`): say where \
             the server itself is, by `listen_at`"
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
        // The one that the URL asks for.
        let feature = match self.url.split_once(':') {
            Some(("mysql" | "mariadb", _)) => "mysql",
            Some(("sqlite", _)) => "sqlite",
            Some(("postgres" | "postgresql", _)) => "postgres",
            _ => "postgres`, `mysql` or `sqlite",
        };
        Err(super::settings::needs_feature("kind", feature))
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
            let database = Database::parse(&self.url).map_err(|error| needed("url", error))?;
            let mut builder = SqlStore::builder(database);
            if let Some(table) = &self.table {
                if looks_secret(table) {
                    return Err(wrong("table", "this is a name, and not where the database is"));
                }
                builder = builder.table(table);
            }
            builder = builder.migrate(self.migrate == Some(true));
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
            let needs_postgres = if self.listen_at.is_some() {
                Some("listen_at")
            } else {
                (self.announcements == Some(true)).then_some("announcements")
            };
            if let Some(field) = needs_postgres.filter(|_| !is_postgres(&self.url)) {
                let reason = "this is for PostgreSQL alone: MySQL and SQLite announce nothing";
                return Err(wrong(field, reason));
            }
            if self.announcements == Some(false) {
                builder = builder.without_announcements();
            }
            if self.through_transaction_pooler == Some(true) {
                builder = builder.through_transaction_pooler();
            }
            if let Some(url) = &self.listen_at {
                builder = builder.listen_at(listen_at(url)?);
            }
            Ok(builder)
        }
    }

    fn listen_at(url: &str) -> Result<Database, Error> {
        let none = || wrong("listen_at", "this is no URL of a PostgreSQL server");
        if !is_postgres(url) {
            return Err(none());
        }
        Database::parse(url).map_err(|error| match error.context("feature") {
            Some(_) => needed("listen_at", error),
            None => none(),
        })
    }

    /// What is not compiled in there is a feature of another name here.
    fn needed(field: &'static str, error: Error) -> Error {
        match error.context("feature") {
            Some("tls") => needs_feature(field, "sql-tls"),
            Some(feature) => needs_feature(field, feature),
            None => error,
        }
    }

    fn wrong(field: &'static str, reason: &str) -> Error {
        Error::new(ErrorKind::Misconfigured, reason).with("field", field)
    }
}

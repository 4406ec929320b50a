//! `[stores.NAME]` of the kind `sql`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use session_core::{Error, Store};

use super::settings::{duration, plain_or_text};

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
    #[serde(default, deserialize_with = "duration")]
    sweep_every: Option<Duration>,
    /// Default: 500 milliseconds.
    #[serde(default, deserialize_with = "duration")]
    timeout: Option<Duration>,
    /// Default: 10.
    #[serde(default, deserialize_with = "plain_or_text")]
    max_connections: Option<usize>,
    /// Default: true.
    #[serde(default, deserialize_with = "plain_or_text")]
    announcements: Option<bool>,
    /// Default: false.
    #[serde(default, deserialize_with = "plain_or_text")]
    through_transaction_pooler: Option<bool>,
    /// Default: at the `url`, unless that is a pooler's.
    listen_at: Option<String>,
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

#[cfg(not(any(feature = "mysql", feature = "postgres", feature = "sqlite")))]
impl SqlSettings {
    pub(super) fn build(&self) -> Result<Arc<dyn Store>, Error> {
        // The one that the URL asks for.
        let feature = match self.url.split_once(':') {
            Some(("mysql" | "mariadb", _)) => "mysql",
            Some(("sqlite", _)) => "sqlite",
            _ => "postgres",
        };
        Err(super::settings::needs_feature("kind", feature))
    }
}

#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod build {
    use session_core::ErrorKind;
    use session_sql::{Database, SqlStore};

    use super::{Arc, Error, SqlSettings, Store};
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
            if let Some(pause) = self.sweep_every {
                builder = builder.sweep_every(pause);
            }
            if let Some(timeout) = self.timeout {
                builder = builder.timeout(timeout);
            }
            if let Some(connections) = self.max_connections {
                builder = builder.max_connections(connections);
            }
            if self.announcements == Some(false) {
                builder = builder.without_announcements();
            }
            if self.through_transaction_pooler == Some(true) {
                builder = builder.through_transaction_pooler();
            }
            if let Some(url) = &self.listen_at {
                let database =
                    Database::parse(url).map_err(|error| match error.context("feature") {
                        Some(_) => needed("listen_at", error),
                        None => wrong("listen_at", "this is no URL of a PostgreSQL server"),
                    })?;
                builder = builder.listen_at(database);
            }
            Ok(Arc::new(builder.build()?))
        }
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

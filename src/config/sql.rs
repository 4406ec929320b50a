//! `[stores.NAME]` of the kind `sql`.

use std::sync::Arc;

use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Deserializer};
use session_core::{Error, ErrorKind, Store};
use session_sql::{Database, SqlStore, SqlStoreBuilder};

use super::secrets::looks_secret;
use super::{Context, Period};

/// Sessions in a table of PostgreSQL, MySQL, MariaDB or SQLite.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
pub(super) struct SqlSettings {
    /// `postgres://user:password@host:port/database`, `mysql://…` or `sqlite://path`.
    url: String,
    /// `name` or `schema.name`. Default: "sessions".
    table: Option<String>,
    /// Makes the tables before the first call, or brings them up to date. Default: false.
    migrate: Option<bool>,
    /// How often the rows of sessions that have ended are removed, "1s" to "1d", or "never".
    /// Default: "1m".
    sweep_every: Option<Sweep>,
    /// The most that one operation may take. Default: "500ms".
    timeout: Option<Period>,
    /// Connections of this process. Default: 10.
    max_connections: Option<usize>,
    /// Whether every change is announced to the caches of all nodes. Default: true on PostgreSQL;
    /// the others cannot.
    announcements: Option<bool>,
    /// For PgBouncer with `pool_mode = transaction`, or its likes. Default: false.
    through_transaction_pooler: Option<bool>,
    /// The PostgreSQL server itself, where `url` is a pooler's. Default: `url`.
    listen_at: Option<String>,
}

/// `sweep_every = "1m"`, or `"never"`.
#[derive(Clone, Copy, Debug)]
enum Sweep {
    Every(Period),
    Never,
}

impl<'de> Deserialize<'de> for Sweep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "never" {
            return Ok(Self::Never);
        }
        Period::deserialize(text.into_deserializer()).map(Self::Every).map_err(|error: D::Error| {
            serde::de::Error::custom(format_args!("{error}, or it is \"never\""))
        })
    }
}

#[cfg(feature = "config-schema")]
impl schemars::JsonSchema for Sweep {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sweep".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["1m", "never"] })
    }
}

impl SqlSettings {
    pub(super) fn build(&self, context: &mut Context<'_>) -> Result<Arc<dyn Store>, Error> {
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
            Some(Sweep::Every(pause)) => builder.sweep_every(pause.0),
            Some(Sweep::Never) => builder.without_sweeper(),
            None => builder,
        };
        if let Some(timeout) = self.timeout {
            builder = builder.timeout(timeout.0);
        }
        if let Some(connections) = self.max_connections {
            builder = builder.max_connections(connections);
        }
        let store = self.announce(builder)?.build()?;
        context.no_backplane_because(self.why_silent());
        Ok(Arc::new(store))
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

    /// Why a store of these settings has no backplane, if it has none.
    fn why_silent(&self) -> &'static str {
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

fn is_postgres(url: &str) -> bool {
    matches!(url.split_once(':'), Some(("postgres" | "postgresql", _)))
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
    let feature = match error.context("feature") {
        Some("tls") => "sql-tls",
        Some(feature) => feature,
        None => return error,
    };
    wrong(field, &format!("this needs the feature `{feature}` of session-kit"))
}

fn wrong(field: &'static str, reason: &str) -> Error {
    Error::new(ErrorKind::Misconfigured, reason).with("field", field)
}

//! How a store is set up.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use session_core::{Clock, Error, ErrorKind, SystemClock};
use tokio::sync::OnceCell;

use crate::database::{Database, Options};
use crate::dialect::{Access, Dialect};
use crate::engine::{Engine, Shared};
use crate::pool::Pool;
use crate::store::SqlStore;
use crate::sweeper::Sweeper;
use crate::table::TableName;

/// Sets up a [`SqlStore`].
#[derive(Clone, Debug)]
#[must_use = "nothing is built before `build`"]
pub struct SqlStoreBuilder {
    database: Database,
    table: String,
    migrate: bool,
    sweep_every: Option<Duration>,
    timeout: Duration,
    max_connections: usize,
    announces: bool,
    through_pooler: bool,
    listen: Option<Database>,
    clock: Arc<dyn Clock>,
}

impl SqlStoreBuilder {
    /// Shortest pause between two rounds of the sweeper, and longest.
    const PAUSES: std::ops::RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(24 * 3_600);

    pub(crate) fn new(database: Database) -> Self {
        Self {
            database,
            table: "sessions".to_owned(),
            migrate: false,
            sweep_every: Some(Duration::from_secs(60)),
            timeout: Duration::from_millis(500),
            max_connections: 10,
            announces: true,
            through_pooler: false,
            listen: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Keeps sessions in this table, a [`TableName`]. Applications in one database are told apart
    /// by it. All nodes have to write it alike, with the schema or without: changes are announced
    /// under this name.
    ///
    /// # Default
    ///
    /// `sessions`.
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// Makes the tables, or brings them up to date, before the first call, and an SQLite file if
    /// there is none. As long as that fails, calls fail, and the next one tries again.
    ///
    /// # Default
    ///
    /// The tables are there: by [`SqlStore::migrate`], or made from
    /// [`Database::migrations`]. Then the store's user needs no right to make any.
    pub fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// Frees the room of expired sessions about so often, from the first call on, a thousand by a
    /// statement. All nodes may do so.
    ///
    /// # Default
    ///
    /// Every minute.
    pub fn sweep_every(mut self, pause: Duration) -> Self {
        self.sweep_every = Some(pause);
        self
    }

    /// Frees nothing: somebody else calls
    /// [`purge_expired`](session_core::Store::purge_expired), or the table grows for ever.
    pub fn without_sweeper(mut self) -> Self {
        self.sweep_every = None;
        self
    }

    /// How long an operation may take in all: waiting for a connection, connecting, and what is
    /// tried again.
    ///
    /// # Default
    ///
    /// 500 ms.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Opens no more connections than that. For SQLite they are for reads, and there is one more
    /// that writes.
    ///
    /// # Default
    ///
    /// 10.
    ///
    /// # Performance impact
    ///
    /// One serves some thousand operations in a second, and PostgreSQL has a process for each:
    /// more than twice its cores rarely helps.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Announces nothing: no cache on any node hears of what is changed here, so none may be in
    /// front of this table. The store then has no backplane.
    ///
    /// # Default
    ///
    /// On PostgreSQL every change is announced, in the transaction that makes it, whether or not
    /// somebody listens.
    ///
    /// # Performance impact
    ///
    /// A transaction that notifies holds a lock of the whole server while it is committed: where
    /// commits wait for a disk, they wait one after the other.
    pub fn without_announcements(mut self) -> Self {
        self.announces = false;
        self
    }

    /// For PostgreSQL behind a pooler that lends connections for one transaction, as PgBouncer does
    /// with `pool_mode = transaction`: no prepared statement outlives its transaction.
    ///
    /// Nothing can be listened to through such a pooler: without
    /// [`listen_at`](Self::listen_at) the store has no backplane.
    ///
    /// # Default
    ///
    /// Statements are prepared once for each connection.
    ///
    /// # Performance impact
    ///
    /// Four round trips for an operation in place of one, and each statement is planned anew.
    pub fn through_transaction_pooler(mut self) -> Self {
        self.through_pooler = true;
        self
    }

    /// Listens to announcements there: at the PostgreSQL server itself, where everything else
    /// goes through a pooler.
    ///
    /// # Default
    ///
    /// Where everything goes.
    pub fn listen_at(mut self, database: Database) -> Self {
        self.listen = Some(database);
        self
    }

    /// Judges deadlines by this clock.
    ///
    /// # Default
    ///
    /// [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The store. Nothing is connected yet: a database that cannot be reached is not found out
    /// here, but by the first call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] for settings that cannot be right, alone or together.
    pub fn build(self) -> Result<SqlStore, Error> {
        let table = TableName::parse(&self.table)?;
        self.check(&table)?;
        let dialect = self.database.dialect();
        let engine: Arc<dyn crate::store::AnyEngine> = match self.database.0.clone() {
            #[cfg(feature = "postgres")]
            Options::Postgres(options) => {
                let settings = crate::postgres::Settings {
                    options,
                    table: table.clone(),
                    timeout: self.timeout,
                    through_pooler: self.through_pooler,
                    announces: self.announces,
                    listen: self.listen_options()?,
                };
                let dialect = Arc::new(crate::postgres::Postgres::new(settings));
                let all = Pool::new(
                    Arc::clone(&dialect),
                    Access::Write,
                    self.max_connections,
                    self.timeout,
                )?;
                Arc::new(self.engine(dialect, all.clone(), all))
            }
            #[cfg(feature = "mysql")]
            Options::MySql(options) => {
                let dialect = Arc::new(crate::mysql::MySql::new(options, table.clone()));
                let all = Pool::new(
                    Arc::clone(&dialect),
                    Access::Write,
                    self.max_connections,
                    self.timeout,
                )?;
                Arc::new(self.engine(dialect, all.clone(), all))
            }
            #[cfg(feature = "sqlite")]
            Options::Sqlite(options) => {
                let options = if self.migrate { options.create_if_missing(true) } else { options };
                let dialect = Arc::new(crate::sqlite::Sqlite::new(options, table.clone()));
                let reads = Pool::new(
                    Arc::clone(&dialect),
                    Access::Read,
                    self.max_connections,
                    self.timeout,
                )?;
                let writes = Pool::new(Arc::clone(&dialect), Access::Write, 1, self.timeout)?;
                Arc::new(self.engine(dialect, reads, writes))
            }
        };
        Ok(SqlStore { engine, dialect, table })
    }

    fn engine<D: Dialect>(self, dialect: Arc<D>, reads: Pool<D>, writes: Pool<D>) -> Engine<D> {
        let shared = Shared {
            dialect,
            reads,
            writes,
            clock: self.clock,
            timeout: self.timeout,
            migrated: if self.migrate { OnceCell::new() } else { OnceCell::new_with(Some(())) },
            migrating: Mutex::default(),
            sweep_every: self.sweep_every,
            sweeper: Sweeper::default(),
        };
        Engine { shared: Arc::new(shared) }
    }

    #[cfg(feature = "postgres")]
    fn listen_options(&self) -> Result<Option<sqlx::postgres::PgConnectOptions>, Error> {
        match &self.listen {
            None => Ok(None),
            Some(Database(Options::Postgres(options))) => Ok(Some(options.clone())),
            #[cfg(any(feature = "mysql", feature = "sqlite"))]
            Some(_) => Err(wrong("listen_at", "the sessions are in PostgreSQL, and this is not")),
        }
    }

    fn check(&self, table: &TableName) -> Result<(), Error> {
        let dialect = self.database.dialect();
        if dialect != "postgres" && self.through_pooler {
            return Err(wrong("through_transaction_pooler", "this is for PostgreSQL alone"));
        }
        if dialect != "postgres" && self.listen.is_some() {
            return Err(wrong("listen_at", "this is for PostgreSQL alone"));
        }
        if self.listen.is_some() && !self.announces {
            return Err(wrong("listen_at", "nothing is announced that could be listened to"));
        }
        if dialect == "sqlite" && table.schema().is_some() {
            let reason = "a file of SQLite has no schemas: leave out what is before the dot";
            return Err(Error::misconfigured("table", format_args!("{:?}", self.table), reason));
        }
        let possible = Duration::from_millis(1)..=Duration::from_secs(3_600);
        if !possible.contains(&self.timeout) {
            let reason = "it is a millisecond at least, and an hour at most";
            return Err(Error::misconfigured(
                "timeout",
                format_args!("{:?}", self.timeout),
                reason,
            ));
        }
        if !(1..=10_000).contains(&self.max_connections) {
            let reason = "there are 1 to 10,000 connections";
            return Err(Error::misconfigured("max_connections", self.max_connections, reason));
        }
        match self.sweep_every {
            Some(pause) if !Self::PAUSES.contains(&pause) => {
                let reason = "it is a second at least, and a day at most";
                Err(Error::misconfigured("sweep_every", format_args!("{pause:?}"), reason))
            }
            _ => Ok(()),
        }
    }
}

fn wrong(field: &'static str, reason: &str) -> Error {
    Error::new(ErrorKind::Misconfigured, reason).with("field", field)
}

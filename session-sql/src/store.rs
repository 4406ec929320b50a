//! The store, whatever the database.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use session_core::{
    Backplane, Created, Error, Key, Load, Loaded, Qualities, Record, Replaced, Revision, Store,
    SubjectIndex, Touch, Touched,
};

use crate::builder::SqlStoreBuilder;
use crate::database::Database;
use crate::dialect::Dialect;
use crate::engine::Engine;
use crate::table::TableName;

/// Keeps sessions in a table of a database.
///
/// A clone is another handle of the same connections.
#[derive(Clone)]
pub struct SqlStore {
    pub(crate) engine: Arc<dyn AnyEngine>,
    pub(crate) dialect: &'static str,
    pub(crate) table: TableName,
}

impl SqlStore {
    /// A store in this database. Nothing is connected before the first call.
    #[must_use = "nothing is built before `build`"]
    pub fn builder(database: Database) -> SqlStoreBuilder {
        SqlStoreBuilder::new(database)
    }

    /// Makes the tables, or brings them up to date, and returns when they are. Several nodes may
    /// do so at once. A file of SQLite must be there, unless the URL says `mode=rwc`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](session_core::ErrorKind::Misconfigured) if there is a table of
    /// that name which is not session-kit's, was made by hand, or is a newer version's; others if
    /// the database does not do it. On MySQL, steps that were taken before are kept.
    pub async fn migrate(&self) -> Result<(), Error> {
        self.engine.migrate().await
    }
}

/// Which database and table. No address, no password, nothing of a session.
impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { engine, dialect, table } = self;
        f.debug_struct("SqlStore")
            .field("dialect", dialect)
            .field("table", &format_args!("{table}"))
            .field("backplane", &engine.backplane())
            .finish()
    }
}

/// An engine of any dialect.
#[async_trait]
pub(crate) trait AnyEngine: Store {
    async fn migrate(&self) -> Result<(), Error>;
}

#[async_trait]
impl<D: Dialect> AnyEngine for Engine<D> {
    async fn migrate(&self) -> Result<(), Error> {
        self.shared.migrate_now().await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for SqlStore {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        self.engine.load(key, load).await
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        self.engine.create(key, record).await
    }

    async fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.engine.replace(key, record, expected).await
    }

    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.engine.rotate(from, to, record, expected).await
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        self.engine.touch(touches).await
    }

    async fn delete(&self, key: &Key) -> Result<bool, Error> {
        self.engine.delete(key).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, Error> {
        self.engine.purge_expired(limit).await
    }

    async fn fence(&self) -> Result<(), Error> {
        self.engine.fence().await
    }

    async fn flush(&self) -> Result<(), Error> {
        self.engine.flush().await
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        self.engine.subjects()
    }

    fn backplane(&self) -> Option<Arc<dyn Backplane>> {
        self.engine.backplane()
    }

    fn qualities(&self) -> Qualities {
        self.engine.qualities()
    }
}

//! The store, and how it keeps the contract.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use session_core::{
    Backplane, Created, Error, Key, Load, Loaded, Qualities, Record, Replaced, Revision, Store,
    SubjectIndex, Touch, Touched,
};

use crate::builder::MemoryStoreBuilder;
use crate::state::State;
use crate::sweeper::Sweeper;

/// Keeps sessions in this process.
///
/// A clone is another handle of the same sessions. They are gone with the last handle.
///
/// ```
/// use session_memory::MemoryStore;
///
/// let store = MemoryStore::new();
/// assert!(store.is_empty());
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    state: Arc<State>,
    sweeper: Option<Arc<Sweeper>>,
}

impl MemoryStore {
    /// A store with the defaults of [`MemoryStore::builder`].
    #[must_use]
    pub fn new() -> Self {
        MemoryStoreBuilder::default().into_store()
    }

    /// A store with other bounds, a sweeper, or another clock.
    #[must_use = "nothing is built before `build`"]
    pub fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder::default()
    }

    pub(crate) fn from_parts(state: Arc<State>, sweeper: Option<Sweeper>) -> Self {
        Self { state, sweeper: sweeper.map(Arc::new) }
    }

    /// How many sessions are held. Those that have expired count until their room is freed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.used().sessions
    }

    /// Whether no session is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the sessions weigh that are held, as
    /// [`max_bytes`](MemoryStoreBuilder::max_bytes) counts them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.state.used().bytes
    }
}

/// The same as [`MemoryStore::new`].
impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts only: who has a session here, and what is in it, is nobody's business.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.state.used();
        f.debug_struct("MemoryStore")
            .field("sessions", &used.sessions)
            .field("bytes", &used.bytes)
            .finish()
    }
}

/// Every method is one synchronous step: none is ever suspended, so none can be cancelled half
/// way, and no lock can be held across an await.
#[async_trait]
impl Store for MemoryStore {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        Ok(self.state.load(key, load))
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        if let Some(sweeper) = &self.sweeper {
            sweeper.ensure_running(&self.state);
        }
        self.state.create(key, record).map_err(|error| error.during("create"))
    }

    async fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.state.replace(key, record, expected).map_err(|error| error.during("replace"))
    }

    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.state.rotate(from, to, record, expected).map_err(|error| error.during("rotate"))
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        Ok(touches.iter().map(|touch| self.state.touch(touch)).collect())
    }

    async fn delete(&self, key: &Key) -> Result<bool, Error> {
        Ok(self.state.delete(key))
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, Error> {
        Ok(self.state.purge(limit).freed)
    }

    async fn fence(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        Some(&*self.state)
    }

    fn backplane(&self) -> Option<Arc<dyn Backplane>> {
        Some(self.state.backplane())
    }

    fn qualities(&self) -> Qualities {
        Qualities::NONE
    }
}

//! The store, as tower-sessions wants it.

use std::sync::Arc;

use async_trait::async_trait;
use session_core::{Created, Error, ErrorKind, Store};
use session_drop_in::{DropIn, DropInBuilder};
use tower_sessions_core::session::{Id, Record};
use tower_sessions_core::session_store::{self, ExpiredDeletion, SessionStore};

use crate::error::error;
use crate::record::{deadline, fields, id_bytes, record};

/// Sessions of tower-sessions, in a [`Store`].
///
/// A clone is another handle of the same sessions. What holds and what does not is told in the
/// [documentation of the crate](crate).
#[derive(Clone, Debug)]
pub struct TowerSessionStore(DropIn);

/// Ids are drawn from 128 bits: a second collision in a row is no coincidence.
const MAX_IDS: usize = 8;

impl TowerSessionStore {
    /// Keeps sessions in `store`. Everything else has a default; the namespace is
    /// `tower-sessions`.
    pub fn builder(store: impl Store) -> DropInBuilder<Self> {
        Self::builder_shared(Arc::new(store))
    }

    /// As [`builder`](Self::builder), for a store whose type is known only at run time.
    pub fn builder_shared(store: Arc<dyn Store>) -> DropInBuilder<Self> {
        DropInBuilder::new(store, "tower-sessions")
    }
}

impl From<DropIn> for TowerSessionStore {
    fn from(sessions: DropIn) -> Self {
        Self(sessions)
    }
}

#[async_trait]
impl SessionStore for TowerSessionStore {
    /// Never overwrites: a record whose id is taken gets another one.
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        let fields = fields(record).map_err(error)?;
        for _ in 0..MAX_IDS {
            let id = id_bytes(&record.id);
            match self.0.create(&id, &fields, deadline(record)).await.map_err(error)? {
                Created::Created(_) => return Ok(()),
                Created::Duplicate => record.id = Id::default(),
            }
        }
        let message = "every id that was drawn is taken: something is wrong with the randomness";
        Err(error(Error::new(ErrorKind::Entropy, message).during("create")))
    }

    /// Whoever saves last wins. A session that was deleted, or has expired, is an error.
    async fn save(&self, record: &Record) -> session_store::Result<()> {
        let fields = fields(record).map_err(error)?;
        let id = id_bytes(&record.id);
        self.0.overwrite(&id, &fields, deadline(record)).await.map_err(error)
    }

    async fn load(&self, session_id: &Id) -> session_store::Result<Option<Record>> {
        let kept = self.0.load(&id_bytes(session_id)).await.map_err(error)?;
        kept.map(|kept| record(*session_id, &kept)).transpose().map_err(error)
    }

    /// Idempotent: they delete ids that were never stored, on the way to a new one.
    async fn delete(&self, session_id: &Id) -> session_store::Result<()> {
        self.0.delete(&id_bytes(session_id)).await.map_err(error)?;
        Ok(())
    }
}

/// Stores of session-kit that need sweeping have sweepers of their own, which outlive an error.
/// This is for those who run one already.
#[async_trait]
impl ExpiredDeletion for TowerSessionStore {
    async fn delete_expired(&self) -> session_store::Result<()> {
        self.0.purge_expired().await.map_err(error)?;
        Ok(())
    }
}

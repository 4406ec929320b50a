//! The store, as actix-session wants it.

use std::sync::Arc;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use session_core::{Created, Error, ErrorKind, Store};
use session_drop_in::{DropIn, DropInBuilder};
use time::Duration;

use crate::error::{load_error, save_error, update_error};
use crate::state::{State, deadline, fields, state};

/// Sessions of actix-session, in a [`Store`].
///
/// A clone is another handle of the same sessions. What holds and what does not is told in the
/// [documentation of the crate](crate).
#[derive(Clone, Debug)]
pub struct ActixSessionStore(DropIn);

/// Ids are drawn from 272 bits: a second collision in a row is no coincidence.
const MAX_IDS: usize = 8;

impl ActixSessionStore {
    /// Keeps sessions in `store`. Everything else has a default; the namespace is
    /// `actix-session`.
    pub fn builder(store: impl Store) -> DropInBuilder<Self> {
        Self::builder_shared(Arc::new(store))
    }

    /// As [`builder`](Self::builder), for a store whose type is known only at run time.
    pub fn builder_shared(store: Arc<dyn Store>) -> DropInBuilder<Self> {
        DropInBuilder::new(store, "actix-session")
    }

    async fn create(&self, state: &State, ttl: Duration) -> Result<SessionKey, Error> {
        let fields = fields(state)?;
        for _ in 0..MAX_IDS {
            let id = self.0.new_id()?;
            let deadline = deadline(self.0.now(), ttl);
            if let Created::Created(_) = self.0.create(id.as_bytes(), &fields, deadline).await? {
                return SessionKey::try_from(id).map_err(|error| {
                    Error::new(ErrorKind::Value, "an id does not fit").with_source(error)
                });
            }
        }
        let message = "every id that was drawn is taken: something is wrong with the randomness";
        Err(Error::new(ErrorKind::Entropy, message).during("create"))
    }
}

impl From<DropIn> for ActixSessionStore {
    fn from(sessions: DropIn) -> Self {
        Self(sessions)
    }
}

impl SessionStore for ActixSessionStore {
    async fn load(&self, session_key: &SessionKey) -> Result<Option<State>, LoadError> {
        let kept = self.0.load(bytes(session_key)).await.map_err(load_error)?;
        kept.map(|kept| state(&kept.fields)).transpose().map_err(load_error)
    }

    /// Never overwrites: ids are drawn until one is free.
    async fn save(&self, session_state: State, ttl: &Duration) -> Result<SessionKey, SaveError> {
        self.create(&session_state, *ttl).await.map_err(save_error)
    }

    /// Whoever updates last wins. A session that was deleted, or has expired, is an error, and
    /// none is saved in its place.
    async fn update(
        &self,
        session_key: SessionKey,
        session_state: State,
        ttl: &Duration,
    ) -> Result<SessionKey, UpdateError> {
        let fields = fields(&session_state).map_err(update_error)?;
        let deadline = deadline(self.0.now(), *ttl);
        let updated = self.0.overwrite(bytes(&session_key), &fields, deadline).await;
        updated.map_err(update_error)?;
        Ok(session_key)
    }

    /// Never makes it shorter. That the session is gone is no error: nothing was to be saved.
    async fn update_ttl(
        &self,
        session_key: &SessionKey,
        ttl: &Duration,
    ) -> Result<(), anyhow::Error> {
        self.0.extend(bytes(session_key), deadline(self.0.now(), *ttl)).await?;
        Ok(())
    }

    /// Deletes a session that was loaded before. That it is gone since is an error, because their
    /// middleware may be about to save what was loaded under a new id.
    async fn delete(&self, session_key: &SessionKey) -> Result<(), anyhow::Error> {
        if self.0.delete(bytes(session_key)).await? {
            return Ok(());
        }
        let message = "this session was ended since the request began; it gets no new id";
        Err(Error::new(ErrorKind::Gone, message).during("delete").into())
    }
}

fn bytes(session_key: &SessionKey) -> &[u8] {
    session_key.as_ref().as_bytes()
}

//! Sessions of another library in a store.

use std::sync::Arc;
use std::time::Duration;

use session_core::codec::{Json, Limits};
use session_core::{
    Clock, Codec as _, Created, Entropy, Error, ErrorKind, Fields, Key, Load, Loaded, Namespace,
    Payload, Record, Replaced, Revision, SessionsBuilder, Store, Timestamp, Token, Touch, Touched,
};

/// Sessions of another library, in a [`Store`].
///
/// An id is whatever bytes the library tells its sessions apart by; they are
/// [as hard to guess as a token](Key::of_foreign_id). Values are JSON texts.
#[derive(Clone, Debug)]
pub struct DropIn {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) namespace: Namespace,
    pub(crate) absolute_timeout: Duration,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// A session that is there.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its values.
    pub fields: Fields,
    /// When it ends unless it is saved or extended before.
    pub deadline: Timestamp,
}

/// As for [`Sessions`](session_core::Sessions). Here no writers line up, not even those of one
/// process: each try that fails is another one's success.
const MAX_ATTEMPTS: usize = SessionsBuilder::MAX_ATTEMPTS;

/// How many expired sessions are removed by one call to the store.
const PURGE_BATCH: usize = 1_000;

impl DropIn {
    /// The time now, which all deadlines are judged by.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new id, for libraries that leave that to the store: a [`Token`] as text, with 256 random
    /// bits.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Entropy`] when there is no randomness.
    pub fn new_id(&self) -> Result<String, Error> {
        Ok(Token::random(&*self.entropy)?.to_text())
    }

    /// The session, if it is there.
    ///
    /// # Errors
    ///
    /// The store's, and [`ErrorKind::Corrupt`] for what is no session of such a library.
    pub async fn load(&self, id: &[u8]) -> Result<Option<Kept>, Error> {
        let Some(record) = self.read(&self.key(id)).await? else { return Ok(None) };
        let fields = self.unpack(&record.payload).map_err(|error| error.during("load"))?;
        let deadline = record.idle_deadline.min(record.absolute_deadline);
        Ok(Some(Kept { fields, deadline }))
    }

    /// Writes a session that is not there yet, and nothing if the id is taken.
    ///
    /// # Errors
    ///
    /// The store's, and [`ErrorKind::TooLarge`].
    pub async fn create(
        &self,
        id: &[u8],
        fields: &Fields,
        deadline: Timestamp,
    ) -> Result<Created, Error> {
        let payload = self.pack(fields).map_err(|error| error.during("create"))?;
        let created_at = self.now();
        let absolute_deadline = created_at.plus(self.absolute_timeout);
        let record = Record {
            revision: Revision::UNSAVED,
            created_at,
            authenticated_at: None,
            idle_deadline: deadline.min(absolute_deadline),
            absolute_deadline,
            timeouts: None,
            subject: None,
            device: None,
            payload,
        };
        self.store.create(&self.key(id), &record).await
    }

    /// Gives a session that is there these values and this deadline, whoever has changed it
    /// meanwhile: the last writer wins, and no deletion is undone.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Gone`] if the session was deleted or has expired, [`ErrorKind::Conflict`] if
    /// others kept changing it, [`ErrorKind::TooLarge`], and the store's.
    pub async fn overwrite(
        &self,
        id: &[u8],
        fields: &Fields,
        deadline: Timestamp,
    ) -> Result<(), Error> {
        let overwritten = self.overwrite_at(&self.key(id), fields, deadline).await;
        overwritten.map_err(|error| error.during("save"))
    }

    async fn overwrite_at(
        &self,
        key: &Key,
        fields: &Fields,
        deadline: Timestamp,
    ) -> Result<(), Error> {
        let payload = self.pack(fields)?;
        let mut current = self.read(key).await?.ok_or_else(gone)?;
        for _ in 0..MAX_ATTEMPTS {
            let record = Record {
                payload: payload.clone(),
                idle_deadline: deadline.min(current.absolute_deadline),
                ..Record::clone(&current)
            };
            match self.store.replace(key, &record, current.revision).await? {
                Replaced::Replaced(_) => return Ok(()),
                Replaced::Conflict(newer) => current = newer,
                Replaced::Gone => return Err(gone()),
            }
        }
        Err(Error::new(ErrorKind::Conflict, "other requests keep changing this session")
            .with("attempts", MAX_ATTEMPTS))
    }

    /// Moves the deadline forward, and never back.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn extend(&self, id: &[u8], deadline: Timestamp) -> Result<Touched, Error> {
        let touch = Touch { key: self.key(id), idle_deadline: deadline };
        let answers = self.store.touch(&[touch]).await?;
        Ok(answers.first().copied().unwrap_or(Touched::Gone))
    }

    /// Removes the session. True if it was there.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn delete(&self, id: &[u8]) -> Result<bool, Error> {
        self.store.delete(&self.key(id)).await
    }

    /// Frees the room of all expired sessions in the store, and tells how many there were.
    ///
    /// # Errors
    ///
    /// The store's. What was removed before stays removed.
    pub async fn purge_expired(&self) -> Result<usize, Error> {
        let mut purged = 0;
        loop {
            match self.store.purge_expired(PURGE_BATCH).await? {
                0 => return Ok(purged),
                batch => purged += batch,
            }
        }
    }

    fn key(&self, id: &[u8]) -> Key {
        Key::of_foreign_id(id, &self.namespace)
    }

    async fn read(&self, key: &Key) -> Result<Option<Arc<Record>>, Error> {
        match self.store.load(key, Load::default()).await? {
            Loaded::Found { record, .. } => Ok(Some(record)),
            Loaded::Absent => Ok(None),
            Loaded::Unchanged { .. } => {
                let message = "the store says that nothing has changed since nothing was known";
                Err(Error::new(ErrorKind::Corrupt, message).during("load"))
            }
        }
    }

    fn pack(&self, fields: &Fields) -> Result<Payload, Error> {
        self.limits.check_fields(fields.len())?;
        let packed = Json.pack(fields)?;
        self.limits.check_payload(packed.len())?;
        Ok(Payload::new(packed))
    }

    fn unpack(&self, payload: &Payload) -> Result<Fields, Error> {
        self.limits.check_payload(payload.as_bytes().len())?;
        let fields = Json.unpack(payload.as_bytes().clone())?;
        self.limits.check_fields(fields.len())?;
        Ok(fields)
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Gone, "this session was ended, or has expired; it is not brought back")
}

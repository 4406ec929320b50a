//! A store of one's own: a map behind a lock. It keeps the whole contract.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use session_core::{
    Backplane, Clock, Created, Error, Key, Load, Loaded, Qualities, Record, Replaced, Revision,
    Source, Store, SubjectIndex, Timestamp, Touch, Touched,
};

type Sessions = HashMap<Key, Arc<Record>>;

/// Sessions in a map.
#[derive(Debug)]
pub struct MapStore {
    sessions: Mutex<Sessions>,
    clock: Arc<dyn Clock>,
}

impl MapStore {
    /// An empty store.
    pub fn new(clock: impl Clock) -> Self {
        Self { sessions: Mutex::default(), clock: Arc::new(clock) }
    }

    /// One atomic step. What has expired among `keys` is gone before anybody looks.
    fn step<T>(&self, keys: &[Key], step: impl FnOnce(&mut Sessions, Timestamp) -> T) -> T {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        for key in keys {
            if sessions.get(key).is_some_and(|record| record.is_expired(now)) {
                sessions.remove(key);
            }
        }
        step(&mut sessions, now)
    }
}

#[async_trait]
impl Store for MapStore {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        Ok(self.step(&[*key], |sessions, _| match sessions.get(key).cloned() {
            None => Loaded::Absent,
            Some(record) if load.known == Some(record.revision) => {
                Loaded::Unchanged { idle_deadline: record.idle_deadline }
            }
            Some(record) => Loaded::Found { record, source: Source::Shared },
        }))
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        Ok(self.step(&[*key], |sessions, _| {
            if sessions.contains_key(key) {
                return Created::Duplicate;
            }
            let revision = Revision::UNSAVED.next();
            sessions.insert(*key, Arc::new(Record { revision, ..record.clone() }));
            Created::Created(revision)
        }))
    }

    async fn replace(
        &self,
        key: &Key,
        new: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.rotate(key, key, new, expected).await
    }

    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.step(&[*from, *to], |sessions, _| match sessions.get(from) {
            None => Ok(Replaced::Gone),
            Some(current) if current.revision != expected => {
                Ok(Replaced::Conflict(Arc::clone(current)))
            }
            Some(_) if from != to && sessions.contains_key(to) => {
                Err(Error::new(session_core::ErrorKind::Misuse, "the new key is taken"))
            }
            Some(_) => {
                let revision = expected.next();
                sessions.remove(from);
                sessions.insert(*to, Arc::new(Record { revision, ..record.clone() }));
                Ok(Replaced::Replaced(revision))
            }
        })
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        let touch = |sessions: &mut Sessions, touch: &Touch| match sessions.get_mut(&touch.key) {
            None => Touched::Gone,
            Some(record) => {
                let deadline = touch.idle_deadline.min(record.absolute_deadline);
                let record = Arc::make_mut(record);
                record.idle_deadline = record.idle_deadline.max(deadline);
                Touched::Done
            }
        };
        let keys: Vec<Key> = touches.iter().map(|touch| touch.key).collect();
        Ok(self.step(&keys, |sessions, _| touches.iter().map(|one| touch(sessions, one)).collect()))
    }

    async fn delete(&self, key: &Key) -> Result<bool, Error> {
        Ok(self.step(&[*key], |sessions, _| sessions.remove(key).is_some()))
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, Error> {
        Ok(self.step(&[], |sessions, now| {
            let expired = sessions.extract_if(|_, record| record.is_expired(now));
            expired.take(limit).count()
        }))
    }

    async fn fence(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        None
    }

    fn backplane(&self) -> Option<Arc<dyn Backplane>> {
        None
    }

    fn qualities(&self) -> Qualities {
        Qualities::NONE
    }
}

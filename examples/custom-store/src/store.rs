//! The contract: what each method does to the sessions in a file.

use std::sync::Arc;

use async_trait::async_trait;
use session_kit::{
    Backplane, Created, Error, ErrorKind, Key, Load, Loaded, Qualities, Record, Replaced, Revision,
    Source, Store, SubjectIndex, Touch, Touched,
};

use crate::files::{FileStore, Sessions};

#[async_trait]
impl Store for FileStore {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        let name = key.to_string();
        let load = move |sessions: &mut Sessions| match sessions.get(&name).cloned() {
            None => Loaded::Absent,
            Some(record) if load.known == Some(record.revision) => {
                Loaded::Unchanged { idle_deadline: record.idle_deadline }
            }
            Some(record) => Loaded::Found { record: Arc::new(record), source: Source::Shared },
        };
        self.step_on(key, load).await
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        let (name, revision) = (key.to_string(), Revision::UNSAVED.next());
        let new = Record { revision, ..record.clone() };
        let create = move |sessions: &mut Sessions| match sessions.contains_key(&name) {
            true => Created::Duplicate,
            false => {
                sessions.insert(name, new);
                Created::Created(revision)
            }
        };
        self.step_on(key, create).await
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
        let (old, new, revision) = (from.to_string(), to.to_string(), expected.next());
        let record = Record { revision, ..record.clone() };
        let rotate = move |sessions: &mut Sessions| match sessions.get(&old) {
            None => Ok(Replaced::Gone),
            Some(current) if current.revision != expected => {
                Ok(Replaced::Conflict(Arc::new(current.clone())))
            }
            Some(_) if old != new && sessions.contains_key(&new) => {
                Err(Error::new(ErrorKind::Misuse, "the new key is taken"))
            }
            Some(_) => {
                sessions.remove(&old);
                sessions.insert(new, record);
                Ok(Replaced::Replaced(revision))
            }
        };
        self.step_on(from, rotate).await?
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        let mut touched = Vec::with_capacity(touches.len());
        for &Touch { key, idle_deadline } in touches {
            let touch = move |sessions: &mut Sessions| match sessions.get_mut(&key.to_string()) {
                None => Touched::Gone,
                Some(record) => {
                    let deadline = idle_deadline.min(record.absolute_deadline);
                    record.idle_deadline = record.idle_deadline.max(deadline);
                    Touched::Done
                }
            };
            touched.push(self.step_on(&key, touch).await?);
        }
        Ok(touched)
    }

    async fn delete(&self, key: &Key) -> Result<bool, Error> {
        let name = key.to_string();
        self.step_on(key, move |sessions| sessions.remove(&name).is_some()).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, Error> {
        let mut purged = 0;
        for file in self.files().await? {
            let purge = move |sessions: &mut Sessions, now| {
                let expired = sessions.extract_if(.., |_, record| record.is_expired(now));
                expired.take(limit - purged).count()
            };
            purged += self.step(file, purge).await?;
        }
        Ok(purged)
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
        Qualities::NONE.durable().shared()
    }
}

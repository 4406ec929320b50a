//! Sessions by who is signed in.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::mem::size_of;
use std::ops::Bound;
use std::sync::Mutex;

use async_trait::async_trait;
use session_core::{Error, ErrorKind, Key, Page, Partition, Subject, SubjectIndex};

use crate::state::State;
use crate::sync::lock;

/// What a session's entry takes.
pub(crate) const ENTRY_BYTES: usize = size_of::<Entry>();

/// The keys of each subject's sessions: at every moment all that are alive, and for a moment some
/// that are not. Who lists them loads each and looks.
#[derive(Debug)]
pub(crate) struct Subjects {
    hasher: RandomState,
    shards: Box<[Mutex<BTreeSet<Entry>>]>,
}

/// A subject, by its hash, and one of its keys. In this order a subject's keys lie side by side.
///
/// Should two subjects have one hash, then listing one of them passes over sessions of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// Bytes rather than a number: the entry, in need of no alignment, is 42 bytes and not 48.
    subject: [u8; 8],
    key: Key,
}

impl Subjects {
    const SHARDS: usize = 256;
    const LAST_KEY: Key = Key::from_parts(Partition::new([0xff; 2]), [0xff; Key::DIGEST_BYTES]);

    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..Self::SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    pub(crate) fn insert(&self, subject: &Subject, key: &Key) {
        let (shard, entry) = self.place(subject, key);
        lock(shard).insert(entry);
    }

    pub(crate) fn remove(&self, subject: &Subject, key: &Key) {
        let (shard, entry) = self.place(subject, key);
        lock(shard).remove(&entry);
    }

    /// The first `limit` keys of `subject` behind `after`, in order.
    fn keys(&self, subject: &Subject, after: Option<&Key>, limit: usize) -> Vec<Key> {
        let (shard, last) = self.place(subject, &Self::LAST_KEY);
        let first = match after {
            Some(&key) => Bound::Excluded(Entry { key, ..last }),
            None => {
                let key = Key::from_parts(Partition::new([0; 2]), [0; Key::DIGEST_BYTES]);
                Bound::Included(Entry { key, ..last })
            }
        };
        if first == Bound::Excluded(last) {
            // A range that excludes and includes the same entry is refused by the tree.
            return Vec::new();
        }
        let shard = lock(shard);
        shard.range((first, Bound::Included(last))).take(limit).map(|entry| entry.key).collect()
    }

    /// How many sessions are in the index.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    fn place(&self, subject: &Subject, key: &Key) -> (&Mutex<BTreeSet<Entry>>, Entry) {
        let hash = self.hasher.hash_one(subject);
        let shard = &self.shards[hash as usize % Self::SHARDS];
        (shard, Entry { subject: hash.to_be_bytes(), key: *key })
    }
}

#[async_trait]
impl SubjectIndex for State {
    async fn list(
        &self,
        subject: &Subject,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Page, Error> {
        if limit == 0 {
            let message = "a page without room for a session never ends a walk";
            return Err(Error::new(ErrorKind::Misuse, message).during("list"));
        }
        let mut page = Page::default();
        let mut after = after.copied();
        loop {
            let missing = limit - page.sessions.len();
            // One more than is missing, to know whether there is a next page.
            let mut keys = self.subjects().keys(subject, after.as_ref(), missing.saturating_add(1));
            let more = keys.len() > missing;
            keys.truncate(missing);
            after = keys.last().copied().or(after);
            page.sessions.extend(keys.into_iter().filter_map(|key| {
                // The index's lock is free again here: a session's is never taken under it.
                let record = self.find(&key)?;
                (record.subject.as_ref() == Some(subject)).then_some((key, record))
            }));
            if !more {
                return Ok(page);
            }
            if page.sessions.len() == limit {
                page.next = after;
                return Ok(page);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Key {
        Key::from_parts(Partition::new([number; 2]), [number; Key::DIGEST_BYTES])
    }

    #[test]
    fn keys_come_in_order_and_by_subject() {
        let subjects = Subjects::new();
        let [ann, bob] = ["ann", "bob"].map(|id| Subject::new(id).unwrap());
        for number in [3, 0, 255, 1] {
            subjects.insert(&ann, &key(number));
        }
        subjects.insert(&bob, &key(2));
        assert_eq!(subjects.keys(&ann, None, 2), [key(0), key(1)]);
        assert_eq!(subjects.keys(&ann, Some(&key(1)), 9), [key(3), key(255)]);
        assert_eq!(subjects.keys(&ann, Some(&key(2)), 1), [key(3)]);
        assert_eq!(subjects.keys(&ann, Some(&key(255)), 9), []);
        subjects.remove(&bob, &key(2));
        assert_eq!(subjects.keys(&bob, None, 9), []);
        assert_eq!(ENTRY_BYTES, 42);
    }
}

//! The sessions behind one lock, and the order in which they expire.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;
use session_core::{Key, Record, Revision, Timestamp};

/// Sessions by key, with a queue of their deadlines.
///
/// The queue is lazy. A touch does not move a session in it; the session is put back when its
/// old place comes up. A session that is removed leaves its place behind. What must hold is that
/// every session has a place no later than its deadline, so that none is forgotten, and that
/// places do not outnumber sessions by far.
///
/// A place names its session by the hash of the key, not by the key: 16 bytes instead of 48. If
/// several sessions have that hash, the place stands for the one that expires first.
#[derive(Default)]
pub(crate) struct Shard<S = RandomState> {
    hasher: S,
    sessions: HashTable<Slot>,
    queue: BinaryHeap<Reverse<Due>>,
    /// The highest revision given so far. No two states of this shard's sessions share one, so
    /// not even a key that is deleted and created again returns to a revision it had.
    last_revision: Revision,
}

/// A session in its table.
pub(crate) struct Slot {
    key: Key,
    record: Arc<Record>,
}

/// A place in the queue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    at: Timestamp,
    hash: u64,
}

impl<S: BuildHasher> Shard<S> {
    /// So many places beyond two for each session, or free slots beyond eight, are left alone.
    const SLACK: usize = 64;

    /// The session at `key`, expired or not.
    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Record>> {
        let slot = self.sessions.find(self.hasher.hash_one(key), |slot| slot.key == *key)?;
        Some(&slot.record)
    }

    /// The session at `key`, unless it has expired.
    pub(crate) fn live(&self, key: &Key, now: Timestamp) -> Option<&Arc<Record>> {
        self.get(key).filter(|record| !record.is_expired(now))
    }

    /// Adds a session at a key where there is none.
    pub(crate) fn insert(&mut self, key: Key, mut record: Record) -> Revision {
        let revision = self.next_revision();
        record.revision = revision;
        let hash = self.hasher.hash_one(key);
        self.queue.push(Reverse(Due { at: deadline(&record), hash }));
        let slot = Slot { key, record: Arc::new(record) };
        self.sessions.insert_unique(hash, slot, |slot| self.hasher.hash_one(slot.key));
        revision
    }

    /// Puts `record` in the place of the session at `key`, if there is one.
    pub(crate) fn replace(&mut self, key: &Key, mut record: Record) -> Option<Revision> {
        let revision = self.next_revision();
        record.revision = revision;
        let at = deadline(&record);
        let hash = self.hasher.hash_one(key);
        let slot = self.sessions.find_mut(hash, |slot| slot.key == *key)?;
        if at < deadline(&slot.record) {
            self.queue.push(Reverse(Due { at, hash }));
        }
        slot.record = Arc::new(record);
        self.tidy();
        Some(revision)
    }

    /// Moves the idle deadline of the session at `key` forward, up to its absolute one. False if
    /// there is no session, or it has expired.
    pub(crate) fn touch(&mut self, key: &Key, idle_deadline: Timestamp, now: Timestamp) -> bool {
        let hash = self.hasher.hash_one(key);
        let slot = self.sessions.find_mut(hash, |slot| slot.key == *key);
        let Some(slot) = slot.filter(|slot| !slot.record.is_expired(now)) else {
            return false;
        };
        let idle_deadline = idle_deadline.min(slot.record.absolute_deadline);
        if idle_deadline > slot.record.idle_deadline {
            // Copies the record, though not its payload, only while somebody else holds it.
            Arc::make_mut(&mut slot.record).idle_deadline = idle_deadline;
        }
        true
    }

    /// Takes the session out, expired or not.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Record>> {
        let hash = self.hasher.hash_one(key);
        let entry = self.sessions.find_entry(hash, |slot| slot.key == *key).ok()?;
        let (slot, _) = entry.remove();
        self.tidy();
        Some(slot.record)
    }

    /// Takes out a session that has expired, looking at `looks` places of the queue at most and
    /// counting them down.
    pub(crate) fn pop_expired(
        &mut self,
        now: Timestamp,
        looks: &mut usize,
    ) -> Option<(Key, Arc<Record>)> {
        while *looks > 0 {
            let Reverse(due) = *self.queue.peek()?;
            if due.at > now {
                return None;
            }
            *looks -= 1;
            self.queue.pop();
            match self.earliest(due.hash) {
                // Deleted, or rotated away.
                None => {}
                Some((at, key)) if at <= now => return Some((key, self.remove(&key)?)),
                Some((at, _)) => self.queue.push(Reverse(Due { at, hash: due.hash })),
            }
        }
        None
    }

    /// The session of that hash that expires first; there is hardly ever a second one.
    fn earliest(&self, hash: u64) -> Option<(Timestamp, Key)> {
        self.sessions
            .iter_hash(hash)
            .filter(|slot| self.hasher.hash_one(slot.key) == hash)
            .map(|slot| (deadline(&slot.record), slot.key))
            .min()
    }

    fn next_revision(&mut self) -> Revision {
        self.last_revision = self.last_revision.next();
        self.last_revision
    }

    /// Gives memory back once most of it is of no use. Each time costs a pass over what is left,
    /// paid for by at least as many writes since the time before.
    fn tidy(&mut self) {
        let Self { hasher, sessions, queue, last_revision: _ } = self;
        let live = sessions.len();
        if sessions.capacity() > 8 * live + Self::SLACK {
            sessions.shrink_to(2 * live, |slot| hasher.hash_one(slot.key));
        }
        if queue.len() > 2 * live + Self::SLACK {
            *queue = sessions
                .iter()
                .map(|slot| {
                    let hash = hasher.hash_one(slot.key);
                    Reverse(Due { at: deadline(&slot.record), hash })
                })
                .collect();
        } else if queue.capacity() > 8 * queue.len() + Self::SLACK {
            queue.shrink_to(2 * queue.len());
        }
    }
}

impl<S> fmt::Debug for Shard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("sessions", &self.sessions.len())
            .field("queue", &self.queue.len())
            .finish_non_exhaustive()
    }
}

/// The first moment at which the session is no more.
fn deadline(record: &Record) -> Timestamp {
    record.idle_deadline.min(record.absolute_deadline)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::hash::Hasher;

    use session_core::{Partition, Payload};

    use super::*;

    pub(crate) fn record(payload: usize) -> Record {
        Record {
            revision: Revision::UNSAVED,
            created_at: Timestamp::from_millis(0),
            authenticated_at: None,
            idle_deadline: Timestamp::from_millis(100),
            absolute_deadline: Timestamp::from_millis(1_000),
            timeouts: None,
            subject: None,
            device: None,
            payload: Payload::new(vec![b'x'; payload]),
        }
    }

    fn key(number: u32) -> Key {
        let mut digest = [0; Key::DIGEST_BYTES];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        Key::from_parts(Partition::new([0, 0]), digest)
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn until(idle: i64) -> Record {
        Record { idle_deadline: at(idle), ..record(0) }
    }

    fn expired<S: BuildHasher>(shard: &mut Shard<S>, now: i64) -> Vec<Key> {
        let mut looks = usize::MAX;
        std::iter::from_fn(|| shard.pop_expired(at(now), &mut looks)).map(|(key, _)| key).collect()
    }

    #[test]
    fn sessions_expire_in_the_order_of_their_deadlines() {
        let mut shard: Shard = Shard::default();
        for (number, idle) in [(1, 300), (2, 100), (3, 200), (4, 9_999)] {
            shard.insert(key(number), until(idle));
        }
        assert_eq!(expired(&mut shard, 99), []);
        assert_eq!(expired(&mut shard, 200), [key(2), key(3)]);
        assert_eq!(expired(&mut shard, 999), [key(1)]);
        assert_eq!(expired(&mut shard, 1_000), [key(4)], "the absolute deadline counts too");
        assert!(shard.queue.is_empty() && shard.sessions.is_empty());
    }

    #[test]
    fn a_touched_session_goes_back_in_the_queue() {
        let mut shard: Shard = Shard::default();
        shard.insert(key(1), until(100));
        assert!(shard.touch(&key(1), at(500), at(0)));
        let mut looks = 10;
        assert!(shard.pop_expired(at(499), &mut looks).is_none());
        assert_eq!(looks, 9, "one look, and the queue knows the new deadline");
        assert!(shard.pop_expired(at(499), &mut looks).is_none());
        assert_eq!(looks, 9);
        assert_eq!(expired(&mut shard, 500), [key(1)]);
    }

    #[test]
    fn a_deadline_that_a_write_brings_forward_is_not_forgotten() {
        let mut shard: Shard = Shard::default();
        shard.insert(key(1), until(900));
        shard.replace(&key(1), until(50));
        assert_eq!(expired(&mut shard, 50), [key(1)]);
        assert_eq!(expired(&mut shard, 2_000), []);
    }

    #[test]
    fn touches_go_forward_up_to_the_absolute_deadline_and_wake_nobody() {
        let mut shard: Shard = Shard::default();
        let revision = shard.insert(key(1), until(100));
        let held = Arc::clone(shard.get(&key(1)).unwrap());
        for (to, then) in [(50, 100), (200, 200), (150, 200), (9_999, 1_000)] {
            assert!(shard.touch(&key(1), at(to), at(0)));
            assert_eq!(shard.get(&key(1)).unwrap().idle_deadline, at(then));
        }
        assert_eq!(shard.get(&key(1)).unwrap().revision, revision);
        assert_eq!(held.idle_deadline, at(100), "what was handed out stays as it was");
        assert!(!shard.touch(&key(1), at(5_000), at(1_000)));
        assert!(!shard.touch(&key(2), at(500), at(0)));
    }

    #[test]
    fn revisions_never_repeat() {
        let mut shard: Shard = Shard::default();
        let first = shard.insert(key(1), until(100));
        let second = shard.replace(&key(1), until(100)).unwrap();
        shard.remove(&key(1));
        let third = shard.insert(key(1), until(100));
        assert!(Revision::UNSAVED < first && first < second && second < third);
        assert_eq!(shard.get(&key(1)).unwrap().revision, third);
    }

    #[test]
    fn looks_are_bounded() {
        let mut shard: Shard = Shard::default();
        for number in 0..10 {
            shard.insert(key(number), until(100));
            shard.touch(&key(number), at(500), at(0));
        }
        shard.insert(key(10), until(101));
        let mut looks = 10;
        assert!(shard.pop_expired(at(101), &mut looks).is_none());
        assert_eq!(looks, 0);
        let mut looks = 1;
        assert_eq!(shard.pop_expired(at(101), &mut looks).unwrap().0, key(10));
    }

    #[test]
    fn neither_places_nor_slots_outnumber_the_sessions_by_far() {
        let mut shard: Shard = Shard::default();
        for number in 0..10_000 {
            shard.insert(key(number), until(900));
            if number >= 100 {
                shard.remove(&key(number - 100));
            }
            assert!(
                shard.queue.len() <= 2 * shard.sessions.len() + Shard::<RandomState>::SLACK + 1
            );
        }
        for number in 0..10_000 {
            shard.insert(key(number + 10_000), until(900));
        }
        for round in 0..10_000 {
            shard.replace(&key(10_000), until(900 - round % 800));
            assert!(
                shard.queue.len() <= 2 * shard.sessions.len() + Shard::<RandomState>::SLACK + 1
            );
        }
        expired(&mut shard, 1_000);
        assert!(shard.sessions.is_empty() && shard.queue.is_empty());
        assert!(
            shard.sessions.capacity() <= 2 * Shard::<RandomState>::SLACK,
            "{}",
            shard.sessions.capacity()
        );
        assert!(
            shard.queue.capacity() <= 2 * Shard::<RandomState>::SLACK,
            "{}",
            shard.queue.capacity()
        );
    }

    /// All keys collide.
    #[derive(Default)]
    struct OneHash;

    impl BuildHasher for OneHash {
        type Hasher = Self;

        fn build_hasher(&self) -> Self {
            Self
        }
    }

    impl Hasher for OneHash {
        fn write(&mut self, _: &[u8]) {}

        fn finish(&self) -> u64 {
            7
        }
    }

    #[test]
    fn sessions_of_one_hash_are_told_apart() {
        let mut shard = Shard::<OneHash>::default();
        for number in 0..6 {
            shard.insert(key(number), until(100 * i64::from(number + 1)));
        }
        assert!(shard.touch(&key(0), at(650), at(0)));
        assert!(shard.replace(&key(4), until(50)).is_some());
        assert!(shard.remove(&key(2)).is_some());
        assert_eq!(expired(&mut shard, 49), []);
        assert_eq!(expired(&mut shard, 200), [key(4), key(1)]);
        assert_eq!(expired(&mut shard, 640), [key(3), key(5)]);
        assert!(shard.get(&key(0)).is_some());
        assert_eq!(expired(&mut shard, 650), [key(0)]);
        assert!(shard.queue.is_empty() && shard.sessions.is_empty());
    }
}

//! The atomic steps: what happens to a session under the lock of its shard.
//!
//! A step holds one shard's lock from the first look to the announcement, so steps on a session
//! and its successors follow one another, and nobody sees half of one. Locks are taken in the
//! order **session shard, subject shard, capacity, channel**, each at most once; whoever holds a
//! later one takes no earlier one. The clock is read under the shard's lock: two steps on one
//! session never disagree about which of them came before its deadline.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use session_core::{
    Change, Clock, Created, Error, ErrorKind, Key, Load, Loaded, Payload, Record, Replaced,
    Revision, Source, Timestamp, Touch, Touched,
};

use crate::backplane::LocalBackplane;
use crate::capacity::{Capacity, Full, Used, weigh};
use crate::shard::Shard;
use crate::subject_index::Subjects;
use crate::sync::lock;

/// All that the handles of one store share.
#[derive(Debug)]
pub(crate) struct State {
    shards: Box<[Padded]>,
    subjects: Subjects,
    capacity: Capacity,
    backplane: Arc<LocalBackplane>,
    clock: Arc<dyn Clock>,
    /// The shard at which the next purge begins.
    next_purged: AtomicUsize,
}

/// On cache lines of its own, so that cores working on neighbours do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded(Mutex<Shard>);

/// What a purge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Purged {
    /// Sessions whose room was freed.
    pub(crate) freed: usize,
    /// Places looked at in the queues. With none, nothing had been due.
    pub(crate) looks: usize,
}

impl State {
    /// Enough for 64 cores to meet seldom, few enough to visit all when room is needed.
    const SHARDS: usize = 256;
    /// Expired sessions that a write frees in its shard on the way, and the places it looks at.
    const ON_THE_WAY: Purged = Purged { freed: 2, looks: 4 };
    /// Places a purge looks at beyond its limit: those of sessions that were touched since they
    /// were queued, or are gone. Each shard has its share of them too.
    const EXTRA_LOOKS: usize = 4 * Self::SHARDS;
    /// How often a write that finds no room frees so many expired sessions and tries again.
    const RECLAIM: (usize, usize) = (4, 256);

    pub(crate) fn new(capacity: Capacity, clock: Arc<dyn Clock>) -> Self {
        Self {
            shards: (0..Self::SHARDS).map(|_| Padded::default()).collect(),
            subjects: Subjects::new(),
            capacity,
            backplane: Arc::default(),
            clock,
            next_purged: AtomicUsize::new(0),
        }
    }

    pub(crate) fn used(&self) -> Used {
        self.capacity.used()
    }

    pub(crate) fn subjects(&self) -> &Subjects {
        &self.subjects
    }

    pub(crate) fn backplane(&self) -> Arc<LocalBackplane> {
        Arc::clone(&self.backplane)
    }

    /// The session, unless it has expired.
    pub(crate) fn find(&self, key: &Key) -> Option<Arc<Record>> {
        let (shard, now) = self.enter(key);
        shard.live(key, now).cloned()
    }

    pub(crate) fn load(&self, key: &Key, load: Load) -> Loaded {
        match self.find(key) {
            None => Loaded::Absent,
            Some(record) if load.known == Some(record.revision) => {
                Loaded::Unchanged { idle_deadline: record.idle_deadline }
            }
            Some(record) => Loaded::Found { record, source: Source::Shared },
        }
    }

    pub(crate) fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        self.with_room(|| self.try_create(key, own(record)))
    }

    fn try_create(&self, key: &Key, record: Record) -> Result<Created, Full> {
        let (mut shard, now) = self.enter_to_write(key);
        if shard.live(key, now).is_some() {
            return Ok(Created::Duplicate);
        }
        self.forget(&mut shard, key);
        self.capacity.reserve(weigh(&record))?;
        let revision = self.add(&mut shard, key, record);
        self.backplane.announce(key, Change::Revision(revision));
        Ok(Created::Created(revision))
    }

    pub(crate) fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.with_room(|| self.try_replace(key, own(record), expected))
    }

    fn try_replace(&self, key: &Key, record: Record, expected: Revision) -> Result<Replaced, Full> {
        let (mut shard, now) = self.enter_to_write(key);
        let current = match at_revision(&shard, key, expected, now) {
            Ok(current) => current,
            Err(refused) => return Ok(refused),
        };
        self.capacity.exchange(weigh(&current), weigh(&record))?;
        let subject = record.subject.clone();
        let moved = subject != current.subject;
        if moved && let Some(subject) = &subject {
            self.subjects.insert(subject, key);
        }
        let Some(revision) = shard.replace(key, record) else {
            unreachable!("it was found under the same lock");
        };
        if moved && let Some(subject) = &current.subject {
            self.subjects.remove(subject, key);
        }
        self.backplane.announce(key, Change::Revision(revision));
        Ok(Replaced::Replaced(revision))
    }

    pub(crate) fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        if from.partition() != to.partition() {
            let message = "a session and its successor share a partition";
            return Err(Error::new(ErrorKind::Misuse, message));
        }
        self.with_room(|| self.try_rotate(from, to, own(record), expected))?.ok_or_else(|| {
            Error::new(ErrorKind::Misuse, "the successor's key is taken: draw it at random")
        })
    }

    /// `None` if the new key is taken.
    fn try_rotate(
        &self,
        from: &Key,
        to: &Key,
        record: Record,
        expected: Revision,
    ) -> Result<Option<Replaced>, Full> {
        let (mut shard, now) = self.enter_to_write(from);
        let current = match at_revision(&shard, from, expected, now) {
            Ok(current) => current,
            Err(refused) => return Ok(Some(refused)),
        };
        if shard.live(to, now).is_some() {
            return Ok(None);
        }
        self.forget(&mut shard, to);
        self.capacity.exchange(weigh(&current), weigh(&record))?;
        let revision = self.add(&mut shard, to, record);
        self.take(&mut shard, from);
        self.backplane.announce(from, Change::Removed);
        self.backplane.announce(to, Change::Revision(revision));
        Ok(Some(Replaced::Replaced(revision)))
    }

    pub(crate) fn touch(&self, touch: &Touch) -> Touched {
        let (mut shard, now) = self.enter(&touch.key);
        if shard.touch(&touch.key, touch.idle_deadline, now) {
            Touched::Done
        } else {
            Touched::Gone
        }
    }

    pub(crate) fn delete(&self, key: &Key) -> bool {
        let (mut shard, now) = self.enter_to_write(key);
        let was_alive = shard.live(key, now).is_some();
        self.forget(&mut shard, key);
        self.backplane.announce(key, Change::Removed);
        was_alive
    }

    /// Frees the room of up to `limit` expired sessions: of each shard its share, beginning
    /// behind the last one visited, then of those that have more.
    pub(crate) fn purge(&self, limit: usize) -> Purged {
        // What had expired by now still has when its shard's turn comes.
        let now = self.clock.now();
        let mut left = Purged { freed: limit, looks: limit.saturating_add(Self::EXTRA_LOOKS) };
        let mut at = self.next_purged.load(Ordering::Relaxed);
        for share in [limit.div_ceil(Self::SHARDS), limit] {
            for _ in 0..Self::SHARDS {
                if left.freed == 0 || left.looks == 0 {
                    break;
                }
                let looks = share.saturating_add(Self::EXTRA_LOOKS / Self::SHARDS);
                let most = Purged { freed: share.min(left.freed), looks: looks.min(left.looks) };
                let mut shard = lock(&self.shards[at % Self::SHARDS].0);
                let visit = self.free_expired(&mut shard, now, most);
                drop(shard);
                left.freed -= visit.freed;
                left.looks -= visit.looks;
                at = (at + 1) % Self::SHARDS;
            }
        }
        self.next_purged.store(at, Ordering::Relaxed);
        let looks = limit.saturating_add(Self::EXTRA_LOOKS) - left.looks;
        Purged { freed: limit - left.freed, looks }
    }

    fn free_expired(&self, shard: &mut Shard, now: Timestamp, most: Purged) -> Purged {
        let mut freed = 0;
        let mut looks = most.looks;
        while freed < most.freed
            && let Some((key, record)) = shard.pop_expired(now, &mut looks)
        {
            self.settle(&key, &record);
            self.capacity.release(weigh(&record));
            freed += 1;
        }
        Purged { freed, looks: most.looks - looks }
    }

    /// Tries again as long as expired sessions can make way, a few times at most.
    fn with_room<T>(&self, step: impl Fn() -> Result<T, Full>) -> Result<T, Error> {
        let (times, batch) = Self::RECLAIM;
        for _ in 0..times {
            match step() {
                Ok(done) => return Ok(done),
                Err(Full) if self.purge(batch).freed == 0 => break,
                Err(Full) => {}
            }
        }
        step().map_err(|Full| self.capacity.error())
    }

    fn enter(&self, key: &Key) -> (MutexGuard<'_, Shard>, Timestamp) {
        // A session and its successors share their partition, hence their shard.
        let partition = u16::from_be_bytes(*key.partition().as_bytes());
        let shard = lock(&self.shards[usize::from(partition) % Self::SHARDS].0);
        (shard, self.clock.now())
    }

    fn enter_to_write(&self, key: &Key) -> (MutexGuard<'_, Shard>, Timestamp) {
        let (mut shard, now) = self.enter(key);
        self.free_expired(&mut shard, now, Self::ON_THE_WAY);
        (shard, now)
    }

    /// Adds a session for which there is room. Its subject's index has it before anybody can see
    /// it, and until after it is gone: at no moment does the index miss a live session.
    fn add(&self, shard: &mut Shard, key: &Key, record: Record) -> Revision {
        if let Some(subject) = &record.subject {
            self.subjects.insert(subject, key);
        }
        shard.insert(*key, record)
    }

    /// Takes a session out, expired or not, and keeps its room.
    fn take(&self, shard: &mut Shard, key: &Key) -> Option<Arc<Record>> {
        let record = shard.remove(key)?;
        self.settle(key, &record);
        Some(record)
    }

    /// Takes a session out, expired or not, with its room.
    fn forget(&self, shard: &mut Shard, key: &Key) {
        if let Some(record) = self.take(shard, key) {
            self.capacity.release(weigh(&record));
        }
    }

    /// What is left to do once a session is out of its shard.
    fn settle(&self, key: &Key, record: &Record) {
        if let Some(subject) = &record.subject {
            self.subjects.remove(subject, key);
        }
    }
}

/// The session at `key`, if it is alive and at that revision; else what to answer.
fn at_revision(
    shard: &Shard,
    key: &Key,
    expected: Revision,
    now: Timestamp,
) -> Result<Arc<Record>, Replaced> {
    match shard.live(key, now) {
        None => Err(Replaced::Gone),
        Some(record) if record.revision != expected => Err(Replaced::Conflict(Arc::clone(record))),
        Some(record) => Ok(Arc::clone(record)),
    }
}

/// A copy whose payload is in a piece of memory of just its size. The caller's bytes may be a
/// small part of a large buffer, which would stay with them and be weighed by nobody.
fn own(record: &Record) -> Record {
    let &Record {
        revision,
        created_at,
        authenticated_at,
        idle_deadline,
        absolute_deadline,
        timeouts,
        ref subject,
        ref device,
        ref payload,
    } = record;
    Record {
        revision,
        created_at,
        authenticated_at,
        idle_deadline,
        absolute_deadline,
        timeouts,
        subject: subject.clone(),
        device: device.clone(),
        payload: Payload::new(payload.as_bytes().to_vec()),
    }
}

#[cfg(test)]
mod tests;

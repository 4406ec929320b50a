//! The local cache itself: moka, weighed in bytes, with a life for each entry.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use moka::Expiry;
use session_core::{Change, Clock, Device, Key, Record, Timestamp};

use crate::lane::Subscribed;
use crate::stripe::outdates;

/// A session as this node has read or written it.
pub(crate) struct Entry {
    pub(crate) record: Arc<Record>,
    /// What would have told about a later change.
    pub(crate) under: Subscribed,
    /// Until when the shared store keeps the session unless it is used, as far as it has said so:
    /// a touch that is still queued is in the record and not in here. Milliseconds.
    kept_until: AtomicI64,
    /// A later change is known: as good as evicted.
    is_outdated: AtomicBool,
}

impl Entry {
    pub(crate) fn new(record: Arc<Record>, under: Subscribed) -> Self {
        let kept_until = record.idle_deadline;
        Self::kept(record, under, kept_until)
    }

    fn kept(record: Arc<Record>, under: Subscribed, until: Timestamp) -> Self {
        let kept_until = AtomicI64::new(until.as_millis());
        Self { record, under, kept_until, is_outdated: AtomicBool::new(false) }
    }

    /// The same session with a later idle deadline, which the shared store has not heard of yet.
    pub(crate) fn touched(&self, idle_deadline: Timestamp) -> Self {
        let record = Arc::new(Record { idle_deadline, ..Record::clone(&self.record) });
        Self::kept(record, self.under.clone(), self.kept_until())
    }

    pub(crate) fn kept_until(&self) -> Timestamp {
        Timestamp::from_millis(self.kept_until.load(Ordering::Relaxed))
    }

    /// The shared store has said that it keeps the session for so long.
    pub(crate) fn confirm(&self, until: Timestamp) {
        self.kept_until.fetch_max(until.as_millis(), Ordering::Relaxed);
    }

    fn is_outdated(&self) -> bool {
        self.is_outdated.load(Ordering::Relaxed)
    }

    /// Whether the session may have ended, as far as this node knows. Past its idle deadline it
    /// need not have: another node may have touched it.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        now >= self.kept_until().min(self.record.absolute_deadline)
    }
}

/// What is cached on this node.
pub(crate) struct LocalCache {
    entries: moka::sync::Cache<Key, Arc<Entry>>,
}

impl LocalCache {
    pub(crate) fn new(max_bytes: u64, ttl: Duration, clock: Arc<dyn Clock>) -> Self {
        let entries = moka::sync::Cache::builder()
            .max_capacity(max_bytes)
            .weigher(|_, entry: &Arc<Entry>| weigh(&entry.record))
            .expire_after(Life { ttl, clock })
            .build();
        Self { entries }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        self.entries.get(key).filter(|entry| !entry.is_outdated())
    }

    /// The entry, if there is one, without counting this as use when there is none.
    pub(crate) fn peek(&self, key: &Key) -> Option<Arc<Entry>> {
        self.find(key).filter(|entry| !entry.is_outdated())
    }

    /// As [`peek`](Self::peek), outdated or not.
    fn find(&self, key: &Key) -> Option<Arc<Entry>> {
        self.entries.contains_key(key).then(|| self.entries.get(key)).flatten()
    }

    /// Lets go of an entry that a change has made old, and says whether there was one to be found.
    pub(crate) fn evict(&self, key: &Key, change: Change) -> bool {
        let entry = self.find(key);
        let Some(old) = entry.filter(|entry| outdates(change, entry.record.revision)) else {
            return false;
        };
        self.remove(key);
        !old.is_outdated()
    }

    /// As [`evict`](Self::evict), where another entry is about to take the place of the old one,
    /// which is cheaper if that is still there: until then it is not found. To be called under the
    /// stripe's lock, like every change of an entry. Who sees the generation that comes after it
    /// sees the mark.
    pub(crate) fn outdate(&self, key: &Key, change: Change) -> bool {
        let Some(entry) = self.get(key) else { return false };
        let is_old = outdates(change, entry.record.revision);
        if is_old {
            entry.is_outdated.store(true, Ordering::Relaxed);
        }
        is_old
    }

    pub(crate) fn insert(&self, key: Key, entry: Arc<Entry>) {
        self.entries.insert(key, entry);
    }

    pub(crate) fn remove(&self, key: &Key) {
        self.entries.invalidate(key);
    }

    pub(crate) fn len(&self) -> u64 {
        self.entries.entry_count()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.entries.weighted_size()
    }
}

impl fmt::Debug for LocalCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalCache")
            .field("entries", &self.len())
            .field("bytes", &self.bytes())
            .finish()
    }
}

/// An entry lives as long as the cache keeps anything, and no longer than its session.
struct Life {
    ttl: Duration,
    clock: Arc<dyn Clock>,
}

impl Life {
    fn of(&self, entry: &Entry) -> Duration {
        let end = entry.record.idle_deadline.min(entry.record.absolute_deadline);
        self.ttl.min(end.since(self.clock.now()))
    }
}

impl Expiry<Key, Arc<Entry>> for Life {
    fn expire_after_create(&self, _: &Key, entry: &Arc<Entry>, _: Instant) -> Option<Duration> {
        Some(self.of(entry))
    }

    fn expire_after_update(
        &self,
        _: &Key,
        entry: &Arc<Entry>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(self.of(entry))
    }
}

/// What an entry takes besides payload, subject and device: record, fields, and moka's own. As
/// measured by `tests/footprint.rs`.
pub(crate) const FIXED_BYTES: usize = 1_150;

fn weigh(record: &Record) -> u32 {
    let text = |text: Option<&str>| text.map_or(0, |text| 16 + text.len());
    let of_device = |device: &Arc<Device>| 80 + text(device.user_agent()) + text(device.address());
    let subject = text(record.subject.as_ref().map(|subject| subject.as_str()));
    let device = record.device.as_ref().map_or(0, of_device);
    // The decoded fields may be a copy: those of a payload that this node has written, say.
    let payload = 2 * record.payload.as_bytes().len();
    let bytes = FIXED_BYTES + payload + subject + device;
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use session_core::{Lane, Revision, SystemClock};
    use session_testkit::sample;

    use super::*;
    use crate::lane::Lanes;

    const AT: fn(u64) -> Change = |number| Change::Revision(Revision::new(number));

    fn cache_with(key: Key, revision: u64) -> LocalCache {
        let cache = LocalCache::new(1 << 20, Duration::from_secs(60), Arc::new(SystemClock));
        let lane = Lanes::default().set(&[Lane(0)]).remove(0);
        let under = Subscribed { lane, number: 1 };
        let record = sample::record(SystemClock.now());
        let record = Arc::new(Record { revision: Revision::new(revision), ..record });
        cache.insert(key, Arc::new(Entry::new(record, under)));
        cache
    }

    #[test]
    fn what_is_outdated_is_as_good_as_evicted() {
        let key = sample::key();
        let cache = cache_with(key, 4);
        assert!(!cache.outdate(&key, AT(4)) && !cache.evict(&key, AT(3)), "it is no older");
        assert!(cache.get(&key).is_some() && cache.peek(&key).is_some());
        assert!(cache.outdate(&key, AT(5)));
        assert!(cache.get(&key).is_none() && cache.peek(&key).is_none());
        assert!(!cache.outdate(&key, AT(6)), "it is so already");
    }

    #[test]
    fn what_is_outdated_goes_with_the_end_of_the_session() {
        let key = sample::key();
        let cache = cache_with(key, 4);
        assert!(cache.outdate(&key, AT(5)));
        assert!(!cache.evict(&key, Change::Removed), "nothing that was still served");
        assert!(!cache.entries.contains_key(&key));
        assert!(!cache.evict(&sample::key(), Change::Removed));
    }
}

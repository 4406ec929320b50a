//! The local cache itself: moka, weighed in bytes, with a life for each entry.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use moka::Expiry;
use session_core::{Clock, Device, Key, Record, Timestamp};

use crate::lane::Subscribed;

/// A session as this node has read or written it.
pub(crate) struct Entry {
    pub(crate) record: Arc<Record>,
    /// What would have told about a later change.
    pub(crate) under: Subscribed,
    /// Until when the shared store keeps the session unless it is used, as far as it has said so:
    /// a touch that is still queued is in the record and not in here. Milliseconds.
    kept_until: AtomicI64,
}

impl Entry {
    pub(crate) fn new(record: Arc<Record>, under: Subscribed) -> Self {
        let kept_until = AtomicI64::new(record.idle_deadline.as_millis());
        Self { record, under, kept_until }
    }

    /// The same session with a later idle deadline, which the shared store has not heard of yet.
    pub(crate) fn touched(&self, idle_deadline: Timestamp) -> Self {
        let record = Arc::new(Record { idle_deadline, ..Record::clone(&self.record) });
        let kept_until = AtomicI64::new(self.kept_until().as_millis());
        Self { record, under: self.under.clone(), kept_until }
    }

    pub(crate) fn kept_until(&self) -> Timestamp {
        Timestamp::from_millis(self.kept_until.load(Ordering::Relaxed))
    }

    /// The shared store has said that it keeps the session for so long.
    pub(crate) fn confirm(&self, until: Timestamp) {
        self.kept_until.fetch_max(until.as_millis(), Ordering::Relaxed);
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
        self.entries.get(key)
    }

    /// The entry, if there is one, without counting this as use when there is none.
    pub(crate) fn peek(&self, key: &Key) -> Option<Arc<Entry>> {
        self.entries.contains_key(key).then(|| self.entries.get(key)).flatten()
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

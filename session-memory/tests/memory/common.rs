//! What the tests share.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use session_core::{
    Clock, Created, Error, Key, Load, Loaded, Partition, Payload, Record, Revision, Store, Subject,
    Timestamp,
};
use session_memory::{MemoryStore, MemoryStoreBuilder};

/// A clock that stands still until it is told otherwise, and breaks down when told to.
#[derive(Debug, Default)]
pub(crate) struct StoppedClock {
    millis: AtomicI64,
    is_broken: AtomicBool,
    panics: AtomicUsize,
}

impl StoppedClock {
    pub(crate) fn advance(&self, millis: i64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }

    pub(crate) fn break_down(&self, is_broken: bool) {
        self.is_broken.store(is_broken, Ordering::SeqCst);
    }

    pub(crate) fn panics(&self) -> usize {
        self.panics.load(Ordering::SeqCst)
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        if self.is_broken.load(Ordering::SeqCst) {
            self.panics.fetch_add(1, Ordering::SeqCst);
            panic!("a broken clock, as part of a test");
        }
        Timestamp::from_millis(self.millis.load(Ordering::SeqCst))
    }
}

pub(crate) fn with_clock(
    configure: impl FnOnce(MemoryStoreBuilder) -> MemoryStoreBuilder,
) -> (MemoryStore, Arc<StoppedClock>) {
    let clock = Arc::new(StoppedClock::default());
    let builder = MemoryStore::builder().clock(Arc::clone(&clock) as Arc<dyn Clock>);
    (configure(builder).build().unwrap(), clock)
}

/// Keys in as many partitions as there are numbers.
pub(crate) fn key(number: u32) -> Key {
    let partition = (number as u16).to_be_bytes();
    let mut digest = [7; Key::DIGEST_BYTES];
    digest[28..].copy_from_slice(&number.to_be_bytes());
    Key::from_parts(Partition::new(partition), digest)
}

/// A key that one of that number may be rotated to.
pub(crate) fn successor(number: u32, generation: u32) -> Key {
    let key = key(number);
    let mut digest = *key.digest();
    digest[..4].copy_from_slice(&generation.to_be_bytes());
    Key::from_parts(key.partition(), digest)
}

pub(crate) fn subject(number: u32) -> Subject {
    static SUBJECTS: LazyLock<Vec<Subject>> =
        LazyLock::new(|| (0..8).map(|id| Subject::new(format!("u{id}")).unwrap()).collect());
    SUBJECTS[number as usize].clone()
}

/// Idle until 1 s, absolutely until 10 s after the epoch.
pub(crate) fn record(payload: usize) -> Record {
    Record {
        revision: Revision::UNSAVED,
        created_at: Timestamp::from_millis(0),
        authenticated_at: None,
        idle_deadline: Timestamp::from_millis(1_000),
        absolute_deadline: Timestamp::from_millis(10_000),
        timeouts: None,
        subject: None,
        device: None,
        payload: Payload::new(vec![b'x'; payload]),
    }
}

pub(crate) fn of_subject(payload: usize, number: u32) -> Record {
    Record { subject: Some(subject(number)), ..record(payload) }
}

pub(crate) async fn load(store: &MemoryStore, key: &Key) -> Option<Arc<Record>> {
    match store.load(key, Load::default()).await.unwrap() {
        Loaded::Found { record, .. } => Some(record),
        Loaded::Absent => None,
        Loaded::Unchanged { .. } => panic!("no revision was given"),
    }
}

pub(crate) fn revision(created: Result<Created, Error>) -> Revision {
    match created.unwrap() {
        Created::Created(revision) => revision,
        Created::Duplicate => panic!("the key is taken"),
    }
}

/// Waits for a condition, not for a time. The deadline is one of real time, so it also comes
/// where tokio's is paused.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        tokio::task::yield_now().await;
    }
}

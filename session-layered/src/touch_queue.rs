//! Touches that can wait a moment (rule 8).
//!
//! A session that is answered from the cache is touched without asking the shared store: the touch
//! is queued, one for each session, and sent with others. Only sessions that have far more life left
//! than that takes are touched so. Whatever asks the shared store about a session waits until its
//! touch has been sent, so nobody but the shared store's other readers can tell the difference.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use session_core::{Error, Key, Lane, Timestamp, Touch, Touched};
use tokio::sync::Notify;
use tracing::Instrument as _;

use crate::boot_clock::BootTime;
use crate::cache::Entry;
use crate::node::Node;
use crate::stats::Count;
use crate::sync::lock;

/// How long a touch waits for others.
const PAUSE: Duration = Duration::from_millis(100);
/// After the shared store has refused to take any.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// So many are sent at once to each primary, and without waiting.
const BATCH: usize = 512;
/// When so many wait, no more are taken.
const MOST: usize = 65_536;
/// What a session must have left to live, for its touch to wait: an outage may last that long.
const LIFE_TO_SPARE: Duration = Duration::from_secs(60);

/// Touches that have not been sent yet, or have not been answered.
pub(crate) struct TouchQueue {
    waiting: Mutex<Line>,
    /// How many wait, or are under way: for the many who ask whether there are any.
    len: AtomicUsize,
    arrived: Notify,
    many: Notify,
    /// One batch at a time; the latest failure is everybody's who waited for it.
    sending: tokio::sync::Mutex<Option<Failed>>,
}

struct Failed {
    at: BootTime,
    error: Error,
}

#[derive(Default)]
struct Line {
    touches: HashMap<Key, Waiting>,
    /// The number of the next one to come.
    next: u64,
}

#[derive(Clone)]
struct Waiting {
    idle_deadline: Timestamp,
    /// What is to learn that the touch was done.
    entry: Arc<Entry>,
    /// In the order in which sessions came to wait.
    number: u64,
}

impl TouchQueue {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            len: AtomicUsize::new(0),
            arrived: Notify::new(),
            many: Notify::new(),
            sending: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// False if there is no room.
    fn put(&self, key: Key, idle_deadline: Timestamp, entry: Arc<Entry>) -> bool {
        let mut line = lock(&self.waiting);
        let earlier = line.touches.get(&key).map(|touch| touch.number);
        if earlier.is_none() && line.touches.len() >= MOST {
            return false;
        }
        let number = earlier.unwrap_or(line.next);
        line.next += 1;
        line.touches.insert(key, Waiting { idle_deadline, entry, number });
        self.len.store(line.touches.len(), Ordering::Release);
        match line.touches.len() {
            1 => self.arrived.notify_one(),
            BATCH => self.many.notify_one(),
            _ => {}
        }
        true
    }

    fn contains(&self, key: &Key) -> bool {
        self.len() > 0 && lock(&self.waiting).touches.contains_key(key)
    }

    /// Those that wait now have lower numbers.
    fn next(&self) -> u64 {
        lock(&self.waiting).next
    }

    /// A batch for each primary, so that one which is out of reach does not keep the others' from
    /// theirs, of those that came to wait before number `end`. They stay until they are answered, so
    /// that whoever asks about one of them waits, and so that none is lost with a call that is given
    /// up.
    fn batches(
        &self,
        end: u64,
        lane_of: impl Fn(&Key) -> Option<Lane>,
    ) -> Vec<Vec<(Key, Waiting)>> {
        let mut lanes = HashMap::<_, Vec<_>>::new();
        let line = lock(&self.waiting);
        for (key, touch) in line.touches.iter().filter(|(_, touch)| touch.number < end) {
            let batch = lanes.entry(lane_of(key)).or_default();
            if batch.len() < BATCH {
                batch.push((*key, touch.clone()));
            }
        }
        lanes.into_values().collect()
    }

    /// Takes out what was answered, unless a later touch has come in its place.
    fn answered(&self, key: &Key, deadline: Timestamp) {
        let mut line = lock(&self.waiting);
        if line.touches.get(key).is_some_and(|touch| touch.idle_deadline <= deadline) {
            line.touches.remove(key);
        }
        self.len.store(line.touches.len(), Ordering::Release);
    }

    /// A write of this session sets its deadlines itself.
    pub(crate) fn forget(&self, key: &Key) {
        if self.len() > 0 {
            let mut line = lock(&self.waiting);
            line.touches.remove(key);
            self.len.store(line.touches.len(), Ordering::Release);
        }
    }
}

impl Node {
    /// Takes a touch upon itself, if the cache vouches for the session. False if the shared store
    /// has to be asked.
    pub(crate) fn put_off(&self, touch: &Touch) -> bool {
        let Ok(entry) = self.serve(&touch.key) else { return false };
        let record = &entry.record;
        let idle_deadline = touch.idle_deadline.min(record.absolute_deadline);
        if idle_deadline <= record.idle_deadline {
            // As good as done, or on its way already.
            return true;
        }
        let end = entry.kept_until().min(record.absolute_deadline);
        if end.since(self.clock.now()) < LIFE_TO_SPARE {
            return false;
        }
        let touched = Arc::new(entry.touched(idle_deadline));
        let locked = self.stripes.of(&touch.key).lock();
        let is_still_there =
            self.cache.peek(&touch.key).is_some_and(|current| Arc::ptr_eq(&current, &entry));
        let is_queued =
            is_still_there && self.touches.put(touch.key, idle_deadline, Arc::clone(&touched));
        if is_queued {
            self.cache.insert(touch.key, touched);
            self.counters.add(Count::TouchQueued);
        }
        drop(locked);
        is_queued
    }

    /// Returns once no touch of this session waits to be sent. If the shared store could not be
    /// reached a moment ago, whatever comes next will find out.
    pub(crate) async fn settle(&self, key: &Key) {
        let since = BootTime::now().minus(PAUSE_AFTER_FAILURE);
        while self.touches.contains(key) {
            if self.send_touches(u64::MAX, since).await.is_err() {
                return;
            }
        }
    }

    /// Sends all touches that wait now.
    pub(crate) async fn flush_touches(&self) -> Result<(), Error> {
        let (end, since) = (self.touches.next(), BootTime::now());
        while self.send_touches(end, since).await? {}
        Ok(())
    }

    /// Sends a batch to each primary, of those that came to wait before number `end`, and says whether
    /// there were any. Not if that has failed `since`: nobody waits for one deadline after another.
    async fn send_touches(&self, end: u64, since: BootTime) -> Result<bool, Error> {
        let mut failed = self.touches.sending.lock().await;
        if let Some(failed) = failed.as_ref().filter(|failed| failed.at >= since) {
            return Err(failed.error.clone());
        }
        let batches = self.touches.batches(end, |key| self.backplane.lane_of(key));
        let sent = join_all(batches.iter().map(|batch| self.send_to_one(batch))).await;
        let Some(error) = sent.into_iter().find_map(Result::err) else {
            return Ok(!batches.is_empty());
        };
        *failed = Some(Failed { at: BootTime::now(), error: error.clone() });
        Err(error)
    }

    async fn send_to_one(&self, batch: &[(Key, Waiting)]) -> Result<(), Error> {
        let error = match self.send_together(batch).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if error.is_retryable() {
            self.give_up_on_ended(batch);
            return Err(error);
        }
        // One of them is what it should not be, which is no reason to keep the others.
        for one in batch {
            match self.send_together(std::slice::from_ref(one)).await {
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "a session could not be touched");
                    self.touches.answered(&one.0, one.1.idle_deadline);
                    self.counters.add(Count::TouchLost);
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }

    async fn send_together(&self, batch: &[(Key, Waiting)]) -> Result<(), Error> {
        let to_touch =
            |(key, touch): &(Key, Waiting)| Touch { key: *key, idle_deadline: touch.idle_deadline };
        let touches: Vec<Touch> = batch.iter().map(to_touch).collect();
        let span = tracing::debug_span!("session.cache.touches", count = touches.len());
        let answers = self.store.touch(&touches).instrument(span).await?;
        for ((key, touch), answer) in batch.iter().zip(answers) {
            match answer {
                Touched::Done => {
                    touch.entry.confirm(touch.idle_deadline);
                    self.counters.add(Count::TouchSent);
                }
                Touched::Gone => {
                    self.gone(key);
                    self.counters.add(Count::TouchGone);
                }
            }
            self.touches.answered(key, touch.idle_deadline);
        }
        Ok(())
    }

    /// Touches of sessions that have ended while nobody could be told.
    fn give_up_on_ended(&self, batch: &[(Key, Waiting)]) {
        let now = self.clock.now();
        for (key, touch) in batch.iter().filter(|(_, touch)| touch.entry.is_due(now)) {
            self.touches.answered(key, touch.idle_deadline);
            self.counters.add(Count::TouchLost);
        }
    }

    /// Sends touches when some have waited for long enough, or are many.
    pub(crate) async fn keep_sending_touches(&self) {
        loop {
            if self.touches.len() == 0 {
                self.touches.arrived.notified().await;
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.touches.many.notified() => {}
            }
            if let Err(error) = self.flush_touches().await {
                tracing::debug!(%error, waiting = self.touches.len(), "touches could not be sent");
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}

impl fmt::Debug for TouchQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TouchQueue({})", self.len())
    }
}

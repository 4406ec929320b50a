//! What was called, when, and what came of it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use session_core::{
    Created, Error, ErrorKind, Key, Load, Loaded, Payload, Record, Replaced, Revision, Store,
    Touch, Touched,
};
use session_redis::RedisStore;
use session_testkit::servers::Stopwatch;

use super::{DEADLINE, SLACK};

/// One call, as far as it concerns one session. A rotation is two: the end of one session and the
/// beginning of another.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) operation: Operation,
    pub(super) key: Key,
    pub(super) outcome: Outcome,
    pub(super) start: Instant,
    pub(super) end: Instant,
    /// How long the process was served meanwhile.
    pub(super) took: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Create,
    /// A session is created that is somebody's.
    LogIn,
    Load,
    Replace,
    RotateFrom,
    RotateTo,
    Touch,
    Delete,
}

/// What a call said of its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The call wrote this revision.
    Wrote(u64),
    /// The call has removed the session, or found it gone when it came to remove it.
    Ended,
    /// It is at this revision.
    At(u64),
    /// It is there.
    Alive,
    /// It is not there.
    Missing,
    /// Another session came back.
    Foreign,
    /// With the server's code, if it said something.
    Failed(ErrorKind, Option<String>),
}

fn is_of_an_outage(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::NotReplicated)
}

impl Event {
    /// Whether this may have ended its session, acknowledged or not.
    pub(super) fn may_have_ended(&self) -> bool {
        matches!(self.operation, Operation::Delete | Operation::RotateFrom)
            && match self.outcome {
                Outcome::Ended => true,
                Outcome::Failed(kind, _) => is_of_an_outage(kind),
                _ => false,
            }
    }

    /// Whether it was a write, and was acknowledged.
    pub(super) fn is_acknowledged_write(&self) -> bool {
        matches!(self.outcome, Outcome::Wrote(_) | Outcome::Ended)
    }
}

/// Everything that happened in a test.
#[derive(Debug)]
pub(super) struct History {
    events: Mutex<Vec<Event>>,
    watch: Stopwatch,
}

/// A moment: on the clock, and after how long a time in which the process was served.
#[derive(Clone, Copy)]
struct Moment(Instant, Duration);

impl History {
    pub(super) fn start() -> Self {
        Self { events: Mutex::default(), watch: Stopwatch::start() }
    }

    fn now(&self) -> Moment {
        Moment(Instant::now(), self.watch.elapsed())
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every session that there was, or may have been.
    pub(super) fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.events().iter().map(|event| event.key).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// The calls that failed, from `since` on.
    pub(super) fn failures(&self, since: Instant) -> Vec<Event> {
        let mut events = self.events();
        events.retain(|event| matches!(event.outcome, Outcome::Failed(..)) && event.start >= since);
        events
    }

    /// Panics unless all calls from `since` on succeeded, but for those that the machine kept from
    /// it, for so long that their deadline came.
    pub(super) fn assert_no_failures(&self, since: Instant) {
        let (late, failures): (Vec<Event>, Vec<Event>) =
            self.failures(since).into_iter().partition(|event| {
                let waited = event.end - event.start >= DEADLINE && event.took < DEADLINE - SLACK;
                waited && matches!(event.outcome, Outcome::Failed(ErrorKind::Timeout, _))
            });
        if !late.is_empty() {
            println!("{} calls had no time on this machine", late.len());
        }
        assert!(late.len() <= MOST_LATE, "{} calls had no time on this machine", late.len());
        assert!(failures.is_empty(), "{} failures: {:#?}", failures.len(), failures[0]);
    }

    /// Panics if a call failed for another reason than that the server was not there, or took
    /// longer than it may.
    pub(super) fn assert_typed_and_within(&self, limit: Duration) {
        for event in self.events() {
            let is_typed = !matches!(&event.outcome, Outcome::Failed(kind, _)
                if !is_of_an_outage(*kind));
            assert!(is_typed && event.took <= limit, "after {:?}: {event:#?}", event.took);
        }
    }

    /// How long calls took that began between two moments: half of them, 99 of 100, all.
    pub(super) fn latency(&self, from: Instant, to: Instant) -> [Duration; 3] {
        let mut took: Vec<Duration> = self
            .events()
            .iter()
            .filter(|event| (from..to).contains(&event.start))
            .map(|event| event.took)
            .collect();
        took.sort();
        let at = |share: usize| took[(took.len() - 1) * share / 100];
        [at(50), at(99), at(100)]
    }

    /// When the first write was acknowledged that was begun after `since`.
    pub(super) fn first_write(&self, since: Instant) -> Option<Instant> {
        let events = self.events();
        let later = events.iter().filter(|event| event.start >= since);
        later.filter(|event| event.is_acknowledged_write()).map(|event| event.end).min()
    }

    fn push(&self, operation: Operation, key: &Key, start: Moment, outcome: Outcome) {
        let (Moment(start, served), Moment(end, now)) = (start, self.now());
        let event = Event { operation, key: *key, outcome, start, end, took: now - served };
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

/// What is on its way when a machine stands still, a few times: each task has one call at a time.
const MOST_LATE: usize = 24;

pub(super) fn acknowledged_writes(events: &[Event]) -> usize {
    events.iter().filter(|event| event.is_acknowledged_write()).count()
}

/// A store that writes a [`History`].
#[derive(Clone, Copy)]
pub(super) struct Recorded<'a> {
    pub(super) store: &'a RedisStore,
    pub(super) history: &'a History,
}

impl Recorded<'_> {
    pub(super) async fn create(&self, key: &Key, record: Record) -> Result<Created, Error> {
        let (start, record) = (self.history.now(), marked(key, record));
        let created = self.store.create(key, &record).await;
        let outcome = outcome(&created, |created| match created {
            Created::Created(revision) => Outcome::Wrote(revision.get()),
            Created::Duplicate => Outcome::Alive,
        });
        let operation = if record.subject.is_some() { Operation::LogIn } else { Operation::Create };
        self.history.push(operation, key, start, outcome);
        created
    }

    pub(super) async fn load(&self, key: &Key) -> Result<Loaded, Error> {
        let start = self.history.now();
        let loaded = self.store.load(key, Load::default()).await;
        let outcome = outcome(&loaded, |loaded| match loaded {
            Loaded::Found { record, .. } => at(key, record),
            Loaded::Unchanged { .. } => Outcome::Alive,
            Loaded::Absent => Outcome::Missing,
        });
        self.history.push(Operation::Load, key, start, outcome);
        loaded
    }

    pub(super) async fn replace(
        &self,
        key: &Key,
        record: Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        let (start, record) = (self.history.now(), marked(key, record));
        let replaced = self.store.replace(key, &record, expected).await;
        let outcome = outcome(&replaced, |replaced| match replaced {
            Replaced::Replaced(revision) => Outcome::Wrote(revision.get()),
            Replaced::Conflict(current) => at(key, current),
            Replaced::Gone => Outcome::Missing,
        });
        self.history.push(Operation::Replace, key, start, outcome);
        replaced
    }

    pub(super) async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        let (start, record) = (self.history.now(), marked(to, record));
        let rotated = self.store.rotate(from, to, &record, expected).await;
        let old = outcome(&rotated, |rotated| match rotated {
            Replaced::Replaced(_) => Outcome::Ended,
            Replaced::Conflict(current) => at(from, current),
            Replaced::Gone => Outcome::Missing,
        });
        self.history.push(Operation::RotateFrom, from, start, old);
        match &rotated {
            Ok(Replaced::Replaced(revision)) => {
                let new = Outcome::Wrote(revision.get());
                self.history.push(Operation::RotateTo, to, start, new);
            }
            Ok(_) => {}
            Err(error) => self.history.push(Operation::RotateTo, to, start, failed(error)),
        }
        rotated
    }

    pub(super) async fn touch(&self, touch: Touch) -> Result<Touched, Error> {
        let start = self.history.now();
        let touched = self.store.touch(&[touch]).await.map(|touched| touched[0]);
        let outcome = outcome(&touched, |touched| match touched {
            Touched::Done => Outcome::Alive,
            Touched::Gone => Outcome::Missing,
        });
        self.history.push(Operation::Touch, &touch.key, start, outcome);
        touched
    }

    pub(super) async fn delete(&self, key: &Key) -> Result<bool, Error> {
        let start = self.history.now();
        let deleted = self.store.delete(key).await;
        // Whether it was there tells little: a delete whose answer is lost is sent once more.
        let outcome = outcome(&deleted, |_| Outcome::Ended);
        self.history.push(Operation::Delete, key, start, outcome);
        deleted
    }
}

/// The record, saying whose it is.
pub(super) fn marked(key: &Key, record: Record) -> Record {
    Record { payload: Payload::new(mark(key)), ..record }
}

pub(super) fn is_of(key: &Key, record: &Record) -> bool {
    record.payload.as_bytes() == mark(key).as_bytes()
}

fn mark(key: &Key) -> String {
    format!(r#"{{"key":"{key}"}}"#)
}

fn at(key: &Key, record: &Record) -> Outcome {
    if is_of(key, record) { Outcome::At(record.revision.get()) } else { Outcome::Foreign }
}

fn outcome<T>(result: &Result<T, Error>, of: impl FnOnce(&T) -> Outcome) -> Outcome {
    match result {
        Ok(answer) => of(answer),
        Err(error) => failed(error),
    }
}

fn failed(error: &Error) -> Outcome {
    Outcome::Failed(error.kind(), error.context("code").map(str::to_owned))
}

/// For tests of whoever reads a history.
pub(super) mod made_up {
    use super::{Duration, Event, Instant, Key, Operation, Outcome};

    /// From `start` to `end` ms after `epoch`.
    pub(in super::super) fn event(
        epoch: Instant,
        key: Key,
        operation: Operation,
        outcome: Outcome,
        (start, end): (u64, u64),
    ) -> Event {
        let at = |ms| epoch + Duration::from_millis(ms);
        let took = at(end) - at(start);
        Event { operation, key, outcome, start: at(start), end: at(end), took }
    }
}

//! What was asked of which node, when, and what it answered.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// A session, by the number of its sign-in or rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Session(pub(super) usize);

/// A request, as far as it concerns one session. A rotation is two: the end of one session and the
/// beginning of another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) session: Session,
    /// Who was asked; `None` if that was Redis itself.
    pub(super) node: Option<usize>,
    pub(super) operation: Operation,
    pub(super) outcome: Outcome,
    pub(super) source: Source,
    pub(super) begun: Instant,
    pub(super) ended: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// A sign-in, or a rotation to this session.
    Begin,
    Read,
    /// The session's counter is incremented.
    Write,
    /// A log-out, a rotation from this session, or its removal from Redis.
    End,
}

/// What an answer says of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is there, and its counter is so far.
    Counts(u64),
    /// It is there.
    Lives,
    /// It is not there.
    Missing,
    /// It was ended by this.
    Ended,
    /// Nothing: whatever was to be done may have been done, or may be yet.
    Unknown,
}

/// Where the session was read from, according to `x-session-source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Local,
    Shared,
    None,
}

impl Source {
    pub(super) fn parse(header: &str) -> Self {
        match header {
            "local" => Self::Local,
            "shared" => Self::Shared,
            "none" => Self::None,
            other => panic!("x-session-source: {other:?}"),
        }
    }
}

impl Event {
    /// Whether something was acknowledged that is to be seen by those who ask later.
    pub(super) fn is_promise(&self) -> bool {
        match self.operation {
            Operation::Begin | Operation::Write => matches!(self.outcome, Outcome::Counts(_)),
            Operation::End => self.outcome == Outcome::Ended,
            Operation::Read => false,
        }
    }

    /// Whether it may have ended its session, acknowledged or not.
    pub(super) fn may_have_ended(&self) -> bool {
        self.operation == Operation::End
            && matches!(self.outcome, Outcome::Ended | Outcome::Unknown)
    }

    /// Whether this answer shows the session as it was before another one's promise.
    pub(super) fn is_from_before(&self, promise: &Self) -> bool {
        match (promise.outcome, self.outcome) {
            (Outcome::Ended, Outcome::Counts(_) | Outcome::Lives) => true,
            (Outcome::Counts(promised), Outcome::Counts(value)) => match self.operation {
                // It says what it has made of what it found.
                Operation::Write => value <= promised,
                _ => value < promised,
            },
            _ => false,
        }
    }
}

/// Everything that happened in a run.
#[derive(Debug, Default)]
pub(super) struct History {
    events: Mutex<Vec<Event>>,
    /// When Redis lost all that it had.
    floods: Mutex<Vec<(Instant, Instant)>>,
}

impl History {
    pub(super) fn push(&self, event: Event) {
        lock(&self.events).push(event);
    }

    /// Redis was emptied.
    pub(super) fn flooded(&self, begun: Instant, ended: Instant) {
        lock(&self.floods).push((begun, ended));
    }

    /// Whether an answer that is so was given to a request that was begun later than `since`.
    pub(super) fn has(&self, since: Instant, is_so: impl Fn(&Event) -> bool) -> bool {
        // The latest are at the end, but for those that took long.
        lock(&self.events).iter().rev().any(|event| event.begun > since && is_so(event))
    }

    /// All events, with the ends of sessions by a flood among them.
    pub(super) fn events(&self) -> Vec<Event> {
        let mut events = lock(&self.events).clone();
        for (begun, ended) in lock(&self.floods).iter().copied() {
            let drowned = drowned(&events, begun, ended);
            events.extend(drowned);
        }
        events
    }
}

/// The ends of the sessions that Redis had when it was emptied. One that was about to begin then may
/// have been spared.
fn drowned(events: &[Event], begun: Instant, ended: Instant) -> Vec<Event> {
    let over: HashSet<Session> = events
        .iter()
        .filter(|event| event.outcome == Outcome::Ended && event.ended < begun)
        .map(|event| event.session)
        .collect();
    let begins = events.iter().filter(|event| {
        let is_begin = event.operation == Operation::Begin && event.begun < ended;
        is_begin && !over.contains(&event.session)
    });
    let end = |begin: &Event| {
        let outcome = if begin.ended < begun { Outcome::Ended } else { Outcome::Unknown };
        let (operation, source) = (Operation::End, Source::None);
        Event { node: None, operation, outcome, source, begun, ended, ..*begin }
    };
    begins.map(end).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

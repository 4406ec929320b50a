//! Reads a history for answers that broke a promise.

use std::collections::HashMap;
use std::fmt;

use tokio::time::Duration;

use super::history::{Event, Operation, Outcome, Session, Source};

/// An answer that tells otherwise than what was acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Violation {
    pub(super) promise: Promise,
    /// The request that was acknowledged.
    pub(super) promised: Event,
    /// The answer that tells otherwise.
    pub(super) contradicted: Event,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Promise {
    /// No cache answers what was before a change, once the bound has passed.
    CachesAreBounded,
    /// The node that made the change does not even do so until then.
    OnesOwnIsSeenAtOnce,
    /// Who is asked to write asks the shared store, which knows.
    WritesMeetTheLatest,
    /// What has ended is not read from the shared store again.
    TheDeadStayDead,
    /// What was acknowledged is there afterwards, unless somebody has ended it.
    NothingIsLost,
}

/// All answers that broke a promise, each with the first promise it broke.
///
/// What overlaps may have happened in either order; what failed may have happened, at any time since
/// it was begun, or not. An answer is held to what was acknowledged before its request was begun,
/// and on other nodes than the one that did it, to what was acknowledged longer ago than `bound`.
/// That goes for the shared store as well: who asks it may be given the answer that another request
/// is waiting for.
pub(super) fn check(events: &[Event], bound: Duration) -> Vec<Violation> {
    let mut of_session: HashMap<Session, Vec<&Event>> = HashMap::new();
    for event in events {
        of_session.entry(event.session).or_default().push(event);
    }
    let mut violations: Vec<Violation> =
        of_session.values().flat_map(|events| check_session(events, bound)).collect();
    violations.sort_by_key(|violation| violation.contradicted.begun);
    violations
}

fn check_session(events: &[&Event], bound: Duration) -> Vec<Violation> {
    let mut promises: Vec<&Event> =
        events.iter().copied().filter(|event| event.is_promise()).collect();
    promises.sort_by_key(|event| event.ended);
    let broken_by = |answer: &&Event| {
        promises.iter().find_map(|promised| {
            let promise = broken(promised, answer, events, bound)?;
            Some(Violation { promise, promised: **promised, contradicted: **answer })
        })
    };
    events.iter().filter_map(broken_by).collect()
}

/// Which promise an answer shows not to have been kept.
fn broken(promised: &Event, answer: &Event, all: &[&Event], bound: Duration) -> Option<Promise> {
    if promised.outcome != Outcome::Ended && answer.outcome == Outcome::Missing {
        let is_excused =
            all.iter().any(|event| event.may_have_ended() && event.begun < answer.ended);
        let is_later = answer.begun > promised.ended;
        return (is_later && !is_excused).then_some(Promise::NothingIsLost);
    }
    if !answer.is_from_before(promised) {
        return None;
    }
    let is_own = promised.node == answer.node;
    let is_write = answer.operation == Operation::Write;
    let until = if is_own || is_write { promised.ended } else { promised.ended + bound };
    if answer.begun <= until {
        return None;
    }
    Some(match (answer.source, promised.outcome) {
        _ if is_write => Promise::WritesMeetTheLatest,
        _ if is_own => Promise::OnesOwnIsSeenAtOnce,
        (Source::Local, _) => Promise::CachesAreBounded,
        (_, Outcome::Ended) => Promise::TheDeadStayDead,
        _ => Promise::NothingIsLost,
    })
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { promise, promised, contradicted } = self;
        let later = contradicted.begun.saturating_duration_since(promised.ended);
        write!(f, "{promise:?}: {:?}, {:?} ", promised.session, promised.operation)?;
        write!(f, "on node {:?} said {:?}, and ", promised.node, promised.outcome)?;
        write!(f, "{later:?} later node {:?} said ", contradicted.node)?;
        write!(f, "{:?} from {:?}", contradicted.outcome, contradicted.source)
    }
}

#[cfg(test)]
mod tests;

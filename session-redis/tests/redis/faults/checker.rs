//! Reads a history for promises that were broken.

use std::collections::HashMap;
use std::fmt;
use std::time::Instant;

use session_core::Key;

use super::history::{Event, Outcome};

/// A promise that was broken, and how that came out.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) promise: Promise,
    /// The call that promised it.
    pub(super) promised: Event,
    /// The call that tells otherwise.
    pub(super) contradicted: Event,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { promise, promised, contradicted } = self;
        let (one, two) = (promised.operation, contradicted.operation);
        let later = contradicted.start.saturating_duration_since(promised.end);
        write!(f, "{promise:?}: of {}, {one:?} said {:?}", promised.key, promised.outcome)?;
        write!(f, ", and {two:?} {later:?} later {:?}", contradicted.outcome)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// What was acknowledged is there afterwards, unless somebody has removed it.
    NothingIsLost,
    /// Acknowledged revisions rise.
    RevisionsRise,
    /// No revision is acknowledged twice.
    RevisionsAreUnique,
    /// What was acknowledged as removed is not there afterwards.
    TheDeadStayDead,
    /// An answer is about the session that was asked for.
    AnswersAreOnesOwn,
}

/// All that is wrong with a history. A call that failed with an unknown outcome may have
/// happened, at any time after its beginning, or not; calls that overlap may have happened in
/// either order.
pub(super) fn check(events: &[Event]) -> Vec<Violation> {
    let mut of_key: HashMap<Key, Vec<&Event>> = HashMap::new();
    for event in events {
        of_key.entry(event.key).or_default().push(event);
    }
    of_key.values().flat_map(|events| check_session(events)).collect()
}

/// How many acknowledged writes were lost, all of which must have begun before `limit`: there may
/// have been no time to replicate them.
pub(super) fn lost_before(limit: Instant, violations: &[Violation]) -> usize {
    let late = violations.iter().find(|violation| violation.promised.start >= limit);
    assert!(late.is_none(), "{}", late.expect("the one that was found"));
    let mut lost: Vec<_> = violations
        .iter()
        .map(|violation| (violation.promised.key, violation.promised.start))
        .collect();
    lost.sort();
    lost.dedup();
    lost.len()
}

fn check_session(events: &[&Event]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (index, promised) in events.iter().enumerate() {
        if promised.outcome == Outcome::Foreign {
            violations.push(violation(Promise::AnswersAreOnesOwn, promised, promised));
        }
        for contradicted in &events[index + 1..] {
            let is_same = matches!(&promised.outcome, Outcome::Wrote(_))
                && promised.outcome == contradicted.outcome;
            if is_same {
                violations.push(violation(Promise::RevisionsAreUnique, promised, contradicted));
            }
        }
        let later = events.iter().filter(|event| event.start > promised.end);
        for contradicted in later {
            if let Some(promise) = broken(promised, contradicted, events) {
                violations.push(violation(promise, promised, contradicted));
            }
        }
    }
    violations
}

/// What `one` has promised that a `later` call shows not to be so.
fn broken(one: &Event, later: &Event, all: &[&Event]) -> Option<Promise> {
    match (&one.outcome, &later.outcome) {
        (Outcome::Wrote(written), Outcome::Wrote(next)) if next < written => {
            Some(Promise::RevisionsRise)
        }
        (Outcome::Wrote(written), Outcome::At(found)) if found < written => {
            Some(Promise::NothingIsLost)
        }
        (Outcome::Wrote(_), Outcome::Missing) => {
            let is_ended =
                all.iter().any(|event| event.may_have_ended() && event.start < later.end);
            (!is_ended).then_some(Promise::NothingIsLost)
        }
        (Outcome::Ended, Outcome::Wrote(_) | Outcome::At(_) | Outcome::Alive) => {
            Some(Promise::TheDeadStayDead)
        }
        _ => None,
    }
}

fn violation(promise: Promise, promised: &Event, contradicted: &Event) -> Violation {
    Violation { promise, promised: promised.clone(), contradicted: contradicted.clone() }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use session_core::ErrorKind;
    use session_testkit::sample;

    use super::super::history::{Operation, made_up};
    use super::{Outcome, Promise, check};

    /// What the checker has to say of one session's calls, in the order of these.
    fn promises(calls: &[(Operation, Outcome, (u64, u64))]) -> Vec<Promise> {
        let (epoch, key) = (Instant::now(), sample::key());
        let events: Vec<_> = calls
            .iter()
            .map(|(operation, outcome, span)| {
                made_up::event(epoch, key, *operation, outcome.clone(), *span)
            })
            .collect();
        check(&events).into_iter().map(|violation| violation.promise).collect()
    }

    const CREATED: (Operation, Outcome, (u64, u64)) =
        (Operation::Create, Outcome::Wrote(1), (0, 1));
    const REPLACED: (Operation, Outcome, (u64, u64)) =
        (Operation::Replace, Outcome::Wrote(2), (2, 4));
    const DELETED: (Operation, Outcome, (u64, u64)) = (Operation::Delete, Outcome::Ended, (5, 7));

    fn unknown() -> Outcome {
        Outcome::Failed(ErrorKind::Timeout, None)
    }

    #[test]
    fn a_life_without_faults_is_in_order() {
        let found = (Operation::Load, Outcome::At(2), (4, 5));
        let missing = (Operation::Load, Outcome::Missing, (8, 9));
        assert_eq!(promises(&[CREATED, REPLACED, found, DELETED, missing]), []);
    }

    #[test]
    fn a_lost_write_is_seen() {
        let old = (Operation::Load, Outcome::At(1), (5, 6));
        assert_eq!(promises(&[CREATED, REPLACED, old]), [Promise::NothingIsLost]);
        let conflict = (Operation::Replace, Outcome::At(1), (5, 6));
        assert_eq!(promises(&[REPLACED, conflict]), [Promise::NothingIsLost]);
        let gone = (Operation::Touch, Outcome::Missing, (5, 6));
        assert_eq!(promises(&[REPLACED, gone]), [Promise::NothingIsLost]);
    }

    #[test]
    fn a_revision_that_falls_or_is_given_twice_is_seen() {
        let third = (Operation::Replace, Outcome::Wrote(3), (0, 1));
        assert_eq!(promises(&[third, REPLACED]), [Promise::RevisionsRise]);
        let again = (Operation::Replace, Outcome::Wrote(2), (3, 5));
        assert_eq!(promises(&[REPLACED, again]), [Promise::RevisionsAreUnique]);
    }

    #[test]
    fn a_session_that_rises_from_the_dead_is_seen() {
        for outcome in [Outcome::At(2), Outcome::Alive, Outcome::Wrote(3)] {
            let risen = (Operation::Load, outcome, (8, 9));
            assert_eq!(promises(&[CREATED, DELETED, risen]), [Promise::TheDeadStayDead]);
        }
    }

    #[test]
    fn an_answer_to_somebody_else_is_seen() {
        let foreign = (Operation::Load, Outcome::Foreign, (8, 9));
        assert_eq!(promises(&[CREATED, foreign]), [Promise::AnswersAreOnesOwn]);
    }

    #[test]
    fn what_overlaps_may_have_happened_in_either_order() {
        let before = (Operation::Load, Outcome::At(1), (3, 5));
        let alive = (Operation::Load, Outcome::At(2), (6, 8));
        assert_eq!(promises(&[CREATED, REPLACED, before, DELETED, alive]), []);
    }

    #[test]
    fn an_unknown_outcome_may_or_may_not_have_landed() {
        let (missing, found) = (Outcome::Missing, Outcome::At(2));
        for later in [missing.clone(), found] {
            let lost = (Operation::Delete, unknown(), (5, 6));
            let load = (Operation::Load, later, (8, 9));
            assert_eq!(promises(&[CREATED, REPLACED, lost, load]), []);
        }
        for later in [2, 3] {
            let lost = (Operation::Replace, unknown(), (5, 6));
            let load = (Operation::Load, Outcome::At(later), (8, 9));
            assert_eq!(promises(&[CREATED, REPLACED, lost, load]), []);
        }
        // What was certainly not done excuses nothing.
        let refused = Outcome::Failed(ErrorKind::Full, Some("OOM".to_owned()));
        let (refused, load) =
            ((Operation::Delete, refused, (5, 6)), (Operation::Load, missing, (8, 9)));
        assert_eq!(promises(&[REPLACED, refused, load]), [Promise::NothingIsLost]);
    }
}

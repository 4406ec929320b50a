use tokio::time::{Duration, Instant};

use super::{Event, Operation, Outcome, Promise, Session, Source, check};

const BOUND: Duration = Duration::from_millis(100);

const A: Option<usize> = Some(0);
const B: Option<usize> = Some(1);

/// On which node, what, and from when to when in ms.
type Call = (Option<usize>, Operation, Outcome, Source, (u64, u64));

const BEGUN: Call = (A, Operation::Begin, Outcome::Counts(0), Source::Shared, (0, 10));
const WRITTEN: Call = (A, Operation::Write, Outcome::Counts(1), Source::Shared, (20, 30));
const ENDED: Call = (A, Operation::End, Outcome::Ended, Source::Shared, (40, 50));

fn read(node: Option<usize>, outcome: Outcome, source: Source, span: (u64, u64)) -> Call {
    (node, Operation::Read, outcome, source, span)
}

/// What the checker has to say of one session's calls.
fn promises(calls: &[Call]) -> Vec<Promise> {
    let epoch = Instant::now();
    let at = |ms| epoch + Duration::from_millis(ms);
    let event = |&(node, operation, outcome, source, (begun, ended)): &Call| Event {
        session: Session(7),
        node,
        operation,
        outcome,
        source,
        begun: at(begun),
        ended: at(ended),
    };
    let events: Vec<Event> = calls.iter().map(event).collect();
    check(&events, BOUND).into_iter().map(|violation| violation.promise).collect()
}

#[test]
fn a_life_in_order_is_in_order() {
    let life = [
        BEGUN,
        read(B, Outcome::Counts(0), Source::Shared, (11, 12)),
        WRITTEN,
        read(A, Outcome::Counts(1), Source::Local, (31, 32)),
        read(B, Outcome::Counts(1), Source::Local, (31, 32)),
        ENDED,
        read(A, Outcome::Missing, Source::None, (51, 52)),
        read(B, Outcome::Missing, Source::None, (51, 52)),
    ];
    assert_eq!(promises(&life), []);
}

#[test]
fn another_cache_may_be_late_by_the_bound_and_no_more() {
    let at = |begun| read(B, Outcome::Counts(0), Source::Local, (begun, 200));
    assert_eq!(promises(&[BEGUN, WRITTEN, at(31)]), []);
    assert_eq!(promises(&[BEGUN, WRITTEN, at(130)]), []);
    assert_eq!(promises(&[BEGUN, WRITTEN, at(131)]), [Promise::CachesAreBounded]);
    let at = |begun| read(B, Outcome::Lives, Source::Local, (begun, 200));
    assert_eq!(promises(&[BEGUN, ENDED, at(150)]), []);
    assert_eq!(promises(&[BEGUN, ENDED, at(151)]), [Promise::CachesAreBounded]);
    assert_eq!(promises(&[BEGUN, ENDED, at(151), at(152)]), [Promise::CachesAreBounded; 2]);
}

#[test]
fn a_node_may_not_be_late_about_what_it_did_itself() {
    for source in [Source::Local, Source::Shared] {
        let old = read(A, Outcome::Counts(0), source, (31, 32));
        assert_eq!(promises(&[BEGUN, WRITTEN, old]), [Promise::OnesOwnIsSeenAtOnce]);
        let risen = read(A, Outcome::Lives, source, (51, 52));
        assert_eq!(promises(&[BEGUN, ENDED, risen]), [Promise::OnesOwnIsSeenAtOnce]);
    }
}

#[test]
fn a_session_that_rises_in_the_shared_store_is_seen() {
    for outcome in [Outcome::Lives, Outcome::Counts(9)] {
        let risen = read(B, outcome, Source::Shared, (151, 152));
        assert_eq!(promises(&[BEGUN, ENDED, risen]), [Promise::TheDeadStayDead]);
    }
    let written = (B, Operation::Write, Outcome::Counts(9), Source::Shared, (51, 52));
    assert_eq!(promises(&[BEGUN, ENDED, written]), [Promise::WritesMeetTheLatest]);
}

#[test]
fn what_redis_was_made_to_forget_is_gone_for_all_caches() {
    let flood = (None, Operation::End, Outcome::Ended, Source::None, (40, 50));
    let at = |begun| read(A, Outcome::Lives, Source::Local, (begun, 200));
    assert_eq!(promises(&[BEGUN, flood, at(150)]), []);
    assert_eq!(promises(&[BEGUN, flood, at(151)]), [Promise::CachesAreBounded]);
}

#[test]
fn a_lost_write_is_seen() {
    let old = read(B, Outcome::Counts(0), Source::Shared, (131, 132));
    assert_eq!(promises(&[BEGUN, WRITTEN, old]), [Promise::NothingIsLost]);
    let again = (B, Operation::Write, Outcome::Counts(1), Source::Shared, (31, 32));
    assert_eq!(promises(&[BEGUN, WRITTEN, again]), [Promise::WritesMeetTheLatest]);
    let missing = read(B, Outcome::Missing, Source::None, (31, 32));
    assert_eq!(promises(&[BEGUN, WRITTEN, missing]), [Promise::NothingIsLost]);
}

#[test]
fn what_overlaps_may_have_happened_in_either_order() {
    let calls = [
        BEGUN,
        WRITTEN,
        read(A, Outcome::Counts(0), Source::Local, (30, 35)),
        read(B, Outcome::Missing, Source::None, (45, 46)),
        ENDED,
        read(A, Outcome::Lives, Source::Local, (49, 52)),
        read(B, Outcome::Counts(0), Source::Shared, (29, 500)),
    ];
    assert_eq!(promises(&calls), []);
}

#[test]
fn an_unknown_outcome_may_or_may_not_have_landed() {
    let ended = (A, Operation::End, Outcome::Unknown, Source::None, (40, 50));
    let written = (A, Operation::Write, Outcome::Unknown, Source::None, (40, 50));
    for outcome in [Outcome::Counts(0), Outcome::Counts(1), Outcome::Lives, Outcome::Missing] {
        let later = read(B, outcome, Source::Shared, (300, 301));
        assert_eq!(promises(&[BEGUN, ended, later]), []);
    }
    for value in [0, 1] {
        let later = read(B, Outcome::Counts(value), Source::Local, (300, 301));
        assert_eq!(promises(&[BEGUN, written, later]), []);
    }
    let missing = read(B, Outcome::Missing, Source::None, (300, 301));
    assert_eq!(promises(&[BEGUN, written, missing]), [Promise::NothingIsLost]);
    let unknown = read(B, Outcome::Unknown, Source::None, (300, 301));
    assert_eq!(promises(&[BEGUN, WRITTEN, ENDED, unknown]), []);
}

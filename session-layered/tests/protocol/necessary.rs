//! With any one rule off, a search finds a shortest way in which a promise is broken. It is kept in
//! words, in `traces/`; the variable `WRITE_TRACES` in the environment writes them anew.

use std::path::Path;
use std::time::Instant;

use stateright::{Checker, Model};

use crate::bounds::{Bounds, Reads};
use crate::configurations::{CUTS, FLUSHES, LOADS, WRITES, WRITES_AND_LOADS};
use crate::model::{PROMISE, Protocol, Question};
use crate::rules::{Rule, Rules};
use crate::words;

macro_rules! searches {
    ($($rule:ident as $test:ident within $bounds:expr),+ $(,)?) => {
        $(#[test]
        fn $test() {
            let trace = concat!("traces/", stringify!($test), ".txt");
            is_necessary(Rule::$rule, $bounds, trace);
        })+

        #[test]
        fn every_rule_is_searched() {
            let searched = [$(Rule::$rule),+];
            assert!(Rule::EVERY.iter().all(|rule| searched.contains(rule)));
        }
    };
}

searches! {
    Eviction as eviction within FEW,
    InvalidationGeneration as invalidation_generation within FEW,
    FillGeneration as fill_generation within FEW,
    EchoInOrder as echo_in_order within FEW,
    Lease as lease within FEW,
    ClockLast as clock_last within LOADS,
    Label as label within FEW_CUTS,
    FillLabel as fill_label within FEW_CUTS,
    LocalLabel as local_label within CUT_WRITES,
    LeaseBeforeNumber as lease_before_number within CUTS,
    NumberFirst as number_first within FEW_CUTS,
    Epoch as epoch within Bounds { max_staleness: 1, ..FLUSHES },
    GenerationAgain as generation_again within LOADS,
    LocalEviction as local_eviction within FEW_WRITES,
    LocalGeneration as local_generation within FEW_WRITES,
    SeenByAnnouncement as seen_by_announcement within FEW_WRITES,
    SeenByAcknowledgement as seen_by_acknowledgement within TWO_WRITES,
    JoinGeneration as join_generation within JOINED,
    JoinAge as join_age within JOINED,
    GoneForGood as gone_for_good within TWO_WRITES,
}

const FEW: Bounds = Bounds { joins: false, reads: Reads::AtOnce, ..LOADS };
const FEW_CUTS: Bounds = Bounds { cuts: true, ..FEW };
const FEW_WRITES: Bounds = Bounds { writes: 1, ..FEW };
const CUT_WRITES: Bounds = Bounds { cuts: true, flights: 0, ..FEW_WRITES };
const TWO_WRITES: Bounds = Bounds { reads: Reads::AtOnce, ..WRITES };
const JOINED: Bounds = Bounds { reads: Reads::AtOnce, ..WRITES_AND_LOADS };

fn is_necessary(rule: Rule, bounds: Bounds, trace: &str) {
    let began = Instant::now();
    let (rules, question) = (Rules::all_but(rule), Question::Promise);
    let search = Protocol { bounds, rules, question }.checker().spawn_bfs().join();
    println!("{rule:?}: {} states in {:?}", search.unique_state_count(), began.elapsed());
    let path = search.discovery(PROMISE).expect("no promise is broken without this rule");
    let found = words::tell(&bounds, path);

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol").join(trace);
    if std::env::var_os("WRITE_TRACES").is_some() {
        std::fs::write(&file, &found).expect("the trace should be written");
    }
    let expected = std::fs::read_to_string(&file).expect("there should be a trace");
    assert_eq!(found, expected, "another way in which the promise is broken");
}

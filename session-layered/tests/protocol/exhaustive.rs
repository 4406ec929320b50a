//! With all rules kept, no search finds a broken promise.

use std::time::Instant;

use stateright::{Checker, Model};

use crate::bounds::Bounds;
use crate::configurations;
use crate::model::{PROMISE, Protocol, Question, USE, regardless_of_names};
use crate::rules::Rules;
use crate::words;

macro_rules! searches {
    ($($configuration:ident as $test:ident),+ $(,)?) => {
        $(#[test]
        fn $test() {
            keeps_its_promise(stringify!($test), configurations::$configuration);
        })+
    };
}

searches! {
    LOADS as loads,
    TWO_TICKS as two_ticks,
    CUTS as cuts,
    CUTS_AND_ECHOES as cuts_and_echoes,
    FLIGHTS as flights,
    FLUSHES as flushes,
    WRITES as writes,
    WRITES_AND_CUTS as writes_and_cuts,
    WRITES_AND_LOADS as writes_and_loads,
    WRITES_LOADS_AND_CUTS as writes_loads_and_cuts,
    WRITES_AND_FLUSHES as writes_and_flushes,
    TWO_KEYS as two_keys,
    TWO_NODES as two_nodes,
}

fn keeps_its_promise(name: &str, bounds: Bounds) {
    let began = Instant::now();
    let model = Protocol { bounds, rules: Rules::ALL, question: Question::Promise };
    let search = model.checker().symmetry_fn(regardless_of_names).spawn_dfs().join();
    println!("{name}: {} states in {:?}", search.unique_state_count(), began.elapsed());
    if let Some(path) = search.discovery(PROMISE) {
        panic!("a promise is broken:\n{}", words::tell(&bounds, path));
    }

    let search = Protocol { question: Question::Use, ..model }.checker().spawn_bfs().join();
    assert!(search.discovery(USE).is_some(), "nothing is ever served from the L1");
}

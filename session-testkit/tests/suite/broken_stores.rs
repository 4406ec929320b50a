//! The suite is worth what it catches: for each defect, which clauses do.

use std::collections::BTreeSet;
use std::panic::{set_hook, take_hook};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use session_testkit::{Clause, clauses};

use crate::conformance::Mapped;
use crate::defects::{Broken, DEFECTS, Defect};

#[test]
fn every_defect_is_caught_and_every_clause_catches_one() {
    hush();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut caught = Vec::new();
        while let Some((defect, clauses)) = DEFECTS.get(next.fetch_add(1, Ordering::Relaxed)) {
            caught.push((*defect, *clauses, catch(*defect)));
        }
        caught
    };
    let mut table = thread::scope(|scope| {
        let worker = || thread::Builder::new().name(Clause::THREADS.to_owned());
        let workers = [(); 3].map(|()| worker().spawn_scoped(scope, work).unwrap());
        workers.map(|worker| worker.join().unwrap()).concat()
    });
    table.sort_by_key(|(defect, ..)| *defect as usize);

    let mut useful = BTreeSet::new();
    let mut missed = Vec::new();
    for (defect, clauses, caught) in &table {
        println!("{:<25} {}", format!("{defect:?}"), caught.join(" "));
        useful.extend(caught);
        missed.extend(clauses.iter().filter(|it| !caught.contains(it)).map(|it| (defect, it)));
        assert!(!clauses.is_empty() || caught.is_empty(), "{defect:?} is no defect: {caught:?}");
    }
    assert!(missed.is_empty(), "not caught by a clause that is about it: {missed:?}");
    let all: BTreeSet<&str> = clauses::all().iter().map(Clause::name).collect();
    let idle: Vec<_> = all.difference(&useful).collect();
    assert!(idle.is_empty(), "clauses that catch nothing: {idle:?}");
}

/// The clauses that a store with this defect breaks.
fn catch(defect: Defect) -> Vec<&'static str> {
    let broken = |clause: &&Clause| {
        let notes = Arc::default();
        let harness = async || Mapped::new(move |map| Broken::new(map, defect, &notes));
        clause.report(harness).is_err()
    };
    clauses::all().iter().filter(broken).map(Clause::name).collect()
}

/// Panics are what this test is about; those of other tests are shown as ever.
fn hush() {
    let hook = take_hook();
    set_hook(Box::new(move |panic| {
        if thread::current().name() != Some(Clause::THREADS) {
            hook(panic);
        }
    }));
}

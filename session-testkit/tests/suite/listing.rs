//! The list of clauses, and what a program makes of it.

use std::time::Duration;

use session_core::{Clock as _, Qualities};
use session_testkit::{Clause, InProcess, ManualClock, clauses};

use crate::map_store::MapStore;

#[test]
fn a_claim_that_the_harness_cannot_check_fails() {
    let clause = clauses::all().iter().find(|clause| clause.name() == "durable_survives_reopen");
    let harness = async || {
        let clock = ManualClock::default();
        let qualities = Qualities::NONE.durable();
        InProcess::new(MapStore { qualities, ..MapStore::new(clock.clone()) }, clock)
    };
    let failure = clause.unwrap().report(harness).unwrap_err();
    assert_eq!(failure.clause(), "durable_survives_reopen");
    assert!(failure.message().contains("cannot reopen"), "{failure}");
}

#[test]
fn the_list_names_each_clause_once_and_starts_with_what_is_simplest() {
    let mut names: Vec<_> = clauses::all().iter().map(Clause::name).collect();
    assert_eq!(names[0], "load_absent");
    names.sort_unstable();
    assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
}

/// The contract names a clause behind each of its rules. Nothing to do outside the repository.
#[test]
fn every_clause_that_the_contract_names_exists() {
    let names: Vec<_> = clauses::all().iter().map(Clause::name).collect();
    for file in ["store.rs", "subject_index.rs", "backplane.rs"] {
        let path = format!("{}/../session-core/src/{file}", env!("CARGO_MANIFEST_DIR"));
        let Ok(source) = std::fs::read_to_string(path) else { return };
        let docs: String =
            source.lines().filter_map(|line| line.trim_start().strip_prefix("///")).collect();
        // (`like_this`, `and_this`)
        let groups = docs.split('(').filter(|group| group.starts_with('`'));
        let groups = groups.filter_map(|group| group.split_once(')'));
        for word in groups.flat_map(|(group, _)| group.split('`').skip(1).step_by(2)) {
            assert!(names.contains(&word), "{file} names a clause {word}, which there is not");
        }
    }
}

#[test]
fn clones_of_a_clock_move_together() {
    let clock = ManualClock::default();
    let other = clock.clone();
    let before = other.now();
    clock.advance(Duration::from_millis(5));
    assert_eq!(other.now().since(before), Duration::from_millis(5));
    clock.set(before);
    assert_eq!(other.now(), before);
}

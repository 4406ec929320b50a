//! The clauses of the store contract, each a function that panics if a store breaks it.
//!
//! They are grouped by method in the source, and in [`all`]. A clause about something that a
//! store does not offer (an index of subjects, a backplane, a quality it does not claim) says so
//! on standard error and passes.

mod backplane;
mod cancellation;
mod concurrency;
mod concurrent_rotation;
mod create;
mod delete;
mod expiry;
mod load;
mod qualities;
mod replace;
mod rotate;
mod subjects;
mod touch;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::harness::Harness;
use crate::model;
use crate::suite::Clause;

/// Every clause, for a program that runs the suite itself.
pub fn all() -> &'static [Clause] {
    ALL
}

/// Checks every clause, several at a time since most of their time they wait, each on a harness and
/// a runtime of its own. For stores on servers that take long to start, and so serve all clauses.
///
/// # Panics
///
/// If the store breaks any of them, with all that it breaks.
pub fn check_all<H: Harness>(harness: impl AsyncFn() -> H + Sync) {
    const AT_ONCE: usize = 8;
    // The longest comes last in the list.
    let clauses: Vec<_> = all().iter().rev().collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(clause) = clauses.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = clause.report(async || harness().await) {
                        let failure = format!("{}: {failure}", clause.name());
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (failed, all) = (failures.len(), clauses.len());
    assert!(failures.is_empty(), "{failed} of {all} clauses:\n{}", failures.join("\n"));
}

macro_rules! publish {
    ($($group:ident { $($clause:ident)* })*) => {
        $(pub use self::$group::{$($clause),*};)*

        static ALL: &[Clause] = &[$($(Clause {
            name: stringify!($clause),
            group: stringify!($group),
            run: |harness| Box::pin($clause(harness)),
        },)*)*];
    };
}

crate::__each_clause! { publish }

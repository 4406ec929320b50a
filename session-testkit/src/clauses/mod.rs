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

use crate::model;
use crate::suite::Clause;

/// Every clause, for a program that runs the suite itself.
pub fn all() -> &'static [Clause] {
    ALL
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

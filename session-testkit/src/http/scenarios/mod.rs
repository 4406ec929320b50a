//! The scenarios, each a function that panics if the server does not do as it should.
//!
//! Each tells what it protects from: a row of the list in `SECURITY.md`, or something that has
//! happened to another library.

mod bad_headers;
mod bad_ids;
mod caching;
mod cookies;
mod counter;
mod data;
mod devices;
mod errors;
mod fixation;
mod leaks;
mod limits;
mod logout;
mod plan;
mod rotation;
mod routes;
mod shared_cache;
mod timeouts;

use super::script::Scenario;

/// Every scenario, for a program that runs the script itself.
pub fn all() -> &'static [Scenario] {
    ALL
}

macro_rules! publish {
    (() $($group:ident { $($scenario:ident)* })*) => {
        $(pub use self::$group::{$($scenario),*};)*

        static ALL: &[Scenario] = &[$($(Scenario {
            name: stringify!($scenario),
            group: stringify!($group),
            run: |target| Box::pin($scenario(target)),
        },)*)*];
    };
}

crate::__each_scenario! { [publish] () }

//! The scenarios, each a function that panics if the server does not do as it should.
//!
//! Each tells what it protects from: something that has happened to another library, or a row of
//! the list of what sessions do by default, which is
//!
//! | row | |
//! |---|---|
//! | 1 | ids are random, all of their 256 bits (OWASP ASVS 5.0, 7.2.3) |
//! | 2 | a log-in, the first or another one, gives a new id and kills the old one (7.2.4) |
//! | 3 | an id that the client made up is never adopted |
//! | 4 | cookies are `HttpOnly`, `SameSite`, of one host, and have the attributes their name demands (3.3) |
//! | 5 | the cookie's name is exact; several that contradict each other are rejected as a whole |
//! | 6 | cookies are such that browsers keep them |
//! | 7 | the token is in the cookie and nowhere else |
//! | 8 | idle and absolute timeout are the server's affair, and activity does not extend the latter (7.3) |
//! | 9 | a log-out is the end of the session, not of the cookie alone (7.4.1) |
//! | 10 | responses that used a session are kept from shared caches |
//! | 11 | an outage is neither a log-out nor a new session |
//! | 13 | visitors who store nothing take no room |

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

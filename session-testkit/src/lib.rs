//! The conformance suite of session-kit: what every store has to do, as tests.
//!
//! Each clause of the contract of [`Store`](session_core::Store), of its index of subjects and of
//! its backplane is a public function in [`clauses`] that panics if a store breaks it. Most of
//! them would be a test of any map; those that matter most race calls against each other, drop
//! calls halfway, or compare random sequences with a model.
//!
//! # Testing a store of your own
//!
//! Write a [`Harness`], which says how to make your store and how to let time pass for it, and
//! have [`store_tests!`] make a test of each clause:
//!
//! ```
//! # mod map_store { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/map_store.rs")); }
//! # use map_store::MapStore as YourStore;
//! use session_testkit::{Harness, InProcess, ManualClock};
//!
//! async fn harness() -> impl Harness {
//!     let clock = ManualClock::default();
//!     InProcess::new(YourStore::new(clock.clone()), clock)
//! }
//!
//! session_testkit::store_tests!(harness);
//!
//! // Or in a program, without a test in sight:
//! for clause in session_testkit::clauses::all() {
//!     clause.report(harness).expect("a store that keeps the contract");
//! }
//! ```
//!
//! A decorator around stores keeps the same contract: run the same suite with it in front of a
//! store that passes.
//!
//! # Testing what uses a store
//!
//! [`CountingStore`] tells which calls were made, [`FaultyStore`] fails, loses replies and hangs
//! on demand, and [`ManualClock`] stands still until it is told to move. The [`sample`] module
//! makes keys and records.
//!
//! # Testing over HTTP
//!
//! With the feature `http`, the module `http` asks a service from outside, as browsers and attackers
//! do: whether a cookie that somebody else chose is taken over, whether a log-out holds while other
//! requests are slow, whether increments are lost. The service needs the routes of
//! `examples/portal`; what they are is in its README.
//!
//! # Testing against real servers
//!
//! With the feature `sql-servers`, the module `servers` runs PostgreSQL, PgBouncer and MariaDB for
//! a test, and with `servers` Redis, Sentinel and Cluster, nginx and Caddy, as well; with `proxy`, a `proxy::Proxy` spoils the
//! connections to any of them. All are for Unix alone.

mod checked;
mod clock;
mod counting;
mod faulty;
mod harness;
mod method;
mod model;
#[cfg(any(feature = "http", feature = "sql-servers"))]
mod patience;
mod suite;

pub mod clauses;
#[cfg(feature = "http")]
pub mod http;
#[cfg(all(unix, feature = "proxy"))]
pub mod proxy;
pub mod sample;
#[cfg(all(unix, feature = "sql-servers"))]
pub mod servers;

pub use clock::ManualClock;
pub use counting::{CountingStore, Counts};
pub use faulty::{FaultyStore, Gate};
pub use harness::{Harness, InProcess};
pub use method::Method;
#[doc(hidden)]
pub use suite::__run;
pub use suite::{Clause, Failure};

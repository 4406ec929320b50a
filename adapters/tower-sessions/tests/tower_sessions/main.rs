//! The store behind the middleware of tower-sessions, and by itself: on the embedded store, on Redis,
//! and on two nodes with a cache each.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod app;
mod middleware;
#[path = "../../../drop-in/tests/nodes/mod.rs"]
mod nodes;
mod outage;
mod store;

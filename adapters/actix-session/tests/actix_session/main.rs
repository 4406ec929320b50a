//! The store behind the middleware of actix-session, and by itself: on the embedded store, on Redis,
//! and on two nodes with a cache each.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]
#![allow(clippy::future_not_send, reason = "actix-web's are not")]

mod app;
mod middleware;
#[path = "../../../drop-in/tests/nodes/mod.rs"]
mod nodes;
mod outage;
mod store;

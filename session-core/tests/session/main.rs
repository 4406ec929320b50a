//! Sessions as an adapter drives them, over the embedded store.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod cancellation;
mod everywhere;
mod failures;
mod identity;
mod interleavings;
mod lifecycle;
mod limit;
mod merging;
mod observed;
mod plan;
mod reload;
mod secrets;
mod timeouts;
mod visitor;

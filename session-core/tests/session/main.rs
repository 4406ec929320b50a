//! Sessions as an adapter drives them, over the embedded store.

mod cancellation;
mod failures;
mod identity;
mod lifecycle;
mod merging;
mod plan;
mod secrets;
mod timeouts;
mod visitor;

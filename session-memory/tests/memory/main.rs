//! What the memory store promises beyond the contract that the conformance suite checks.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod announcements;
mod bounds;
mod common;
mod expiry;
mod model;
mod subjects;
mod sweeper;

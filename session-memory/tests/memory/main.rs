//! What the memory store promises beyond the contract that the conformance suite checks.

mod announcements;
mod bounds;
mod common;
mod expiry;
mod model;
mod subjects;
mod sweeper;

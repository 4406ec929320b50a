//! The layered store, over the embedded store and over real servers.
#![allow(clippy::unwrap_used, reason = "a test panics where a program would answer")]

mod conformance;
mod fixture;

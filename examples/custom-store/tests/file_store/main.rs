//! A store of one's own, under the suite that ours pass, and composed from a file as ours are.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod announcing;
mod composed;
mod conformance;
mod crash;

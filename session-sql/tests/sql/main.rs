//! The SQL store on real databases.
#![allow(clippy::unwrap_used, reason = "a test panics where a program would answer")]

mod conformance;
mod fixture;
mod plans;
mod purge;
mod statements;

//! The SQL store on real databases.
#![allow(clippy::unwrap_used, reason = "a test panics where a program would answer")]

mod bad_input;
mod conformance;
mod defaults;
mod faults;
mod fixture;
mod outsider;
mod plans;
mod purge;
mod statements;
mod tls;

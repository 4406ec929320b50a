//! The store on real servers: one, behind Sentinels, in a Cluster.
#![allow(clippy::unwrap_used, reason = "a test panics where a program would answer")]

mod backplane;
mod commands;
mod conformance;
mod contention;
mod deadlines;
mod faults;
mod fixture;
mod format;
mod memory;
mod nonces;
mod replicas;
mod subjects;
mod wait;

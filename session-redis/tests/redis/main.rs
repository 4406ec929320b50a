//! The store on real servers: one, behind Sentinels, in a Cluster.
#![allow(clippy::unwrap_used, reason = "a test panics where a program would answer")]

mod conformance;

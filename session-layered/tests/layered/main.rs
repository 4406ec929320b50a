//! The layered store, over the embedded store and over real servers.
#![allow(clippy::unwrap_used, reason = "a test panics where a program would answer")]

mod bad_input;
mod capacity;
mod conformance;
mod elsewhere;
mod fence;
mod fixture;
mod flights;
mod muffled;
#[cfg(feature = "opentelemetry")]
mod observed;
mod own_writes;
mod postgres;
mod redis;
#[cfg(feature = "opentelemetry")]
mod secrets;
mod settings;
mod silent;
mod touches;
mod zero;

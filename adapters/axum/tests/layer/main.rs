//! The layer and the extractors, around routers and other tower services.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod answers;
mod client;
mod extractors;
mod services;

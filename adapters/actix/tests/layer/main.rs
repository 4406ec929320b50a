//! The layer and the extractors, around applications and other services, on one worker and on
//! several.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]
#![allow(clippy::future_not_send, reason = "a worker of actix-web is one thread")]

mod answers;
mod client;
mod extractors;
mod services;

//! The layered store of session-kit: a local cache in front of a shared store, which serves at the
//! speed of memory and never, for longer than a stated bound, what is not true any more.
#![cfg_attr(docsrs, feature(doc_cfg))]

// Reads.
mod builder;
mod store;

mod cache;
mod fill;
mod flight;
mod serve;

// Writes.
mod local_write;
mod touch_queue;

// Changes made elsewhere.
mod keeper;
mod lane;
mod subscriber;
mod tombstones;

// What all of these need.
mod boot_clock;
mod defences;
#[cfg(feature = "opentelemetry")]
mod metrics;
mod node;
mod stats;
mod stripe;
mod sync;

pub use builder::LayeredBuilder;
#[cfg(feature = "counter-experiments")]
pub use defences::Defence;
pub use stats::{Bypassed, Stats, Touches};
pub use store::Layered;

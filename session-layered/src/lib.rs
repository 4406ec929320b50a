//! The layered store of session-kit: a local cache in front of a shared store. Reads are as fast
//! as memory, and none shows what has been revoked for longer than a stated bound.
//!
//! ```
//! # fn main() -> Result<(), session_core::Error> {
//! use std::time::Duration;
//!
//! use session_core::Sessions;
//! use session_layered::Layered;
//! # use session_memory::MemoryStore as RedisStore;
//!
//! let shared = RedisStore::new();
//! let store = Layered::builder(shared)
//!     .max_bytes(64 << 20)
//!     .max_staleness(Duration::from_secs(2))
//!     .build()?;
//! let sessions = Sessions::builder(store).build()?;
//! # Ok(())
//! # }
//! ```
//!
//! The shared store is one that announces its changes: the Redis store (one server, Sentinel or
//! Cluster), the SQL store on PostgreSQL, or the embedded one, in tests. A store that does not is
//! refused.
//!
//! # What is promised
//!
//! **Once a change has been acknowledged, a log-out above all, no node answers with the older state
//! from its cache later than [`max_staleness`](LayeredBuilder::max_staleness) (2 s by default),
//! whatever is paused, cut off, lost or slow.** Typically the change is known everywhere within a
//! millisecond; on the node that made it, at once. No clocks of two machines are compared, and the
//! clock that counts goes on while a machine is asleep.
//!
//! Outside the promise is a shared store that itself loses what it has acknowledged, as one that
//! replicates asynchronously may at a failover: let log-outs wait for replicas
//! (`RedisStoreBuilder::wait`), and the primary refuse writes without any
//! (`min-replicas-to-write`). Besides, nodes remember for a minute which sessions they saw removed;
//! one that comes back with another primary is refused, and removed again.
//!
//! # Why it holds
//!
//! A primary announces each change in the step that makes it, and a node listens to that very
//! primary on one connection, on which everything arrives in the order of execution. Four times
//! within the bound the node sends an *echo* through the primary to itself, and notes the time before
//! it does. When the echo arrives, everything that was acknowledged before it was sent has arrived
//! before it, and the entries concerned are gone. So the echo brings a *lease*: until the time at
//! which it was sent, plus the bound, the cache may answer. Whatever goes wrong (a connection cut, half
//! open, overrun or slow, a process stopped, a server demoted) keeps echoes away, and the cache falls silent by
//! itself: reads ask the shared store instead.
//!
//! | rule | | where |
//! |---|---|---|
//! | 1 | serve an entry if the lease that is read *after* it is valid, and nothing has changed in its stripe while it was looked at | `serve.rs` |
//! | 2 | an echo, handled in order behind the announcements, extends the lease to the time it was sent plus the bound | `subscriber.rs` |
//! | 3 | an announcement evicts what is older, then moves the stripe's generation | `node.rs`, `stripe.rs` |
//! | 4 | what a load has found is kept if the generation has not moved since before it was sent | `fill.rs` |
//! | 5 | what a write has stored is kept unless somebody's later change was heard of, or acknowledged, meanwhile | `local_write.rs` |
//! | 6 | a load is shared by those who ask before anything has changed, and one that has just landed is not repeated | `flight.rs` |
//! | 7 | entries are dead under another subscription than the one they were cached under | `lane.rs` |
//! | 8 | touches of cached sessions wait a moment, and are sent together | `touch_queue.rs` |
//! | 9 | an echo brings the epoch of the data; another epoch is like another subscription | `subscriber.rs` |
//!
//! The rules are checked exhaustively, as a model, in `tests/protocol`: with all of them nothing goes
//! wrong, and for each of them there is a shortest story of what does without it.
//!
//! # How fresh
//!
//! - [`Consistency::Cached`](session_core::Consistency::Cached), the default: within the bound.
//! - [`Consistency::Strong`](session_core::Consistency::Strong), for a route or a call: the shared
//!   store is asked, which sends the session only if it is not the one that is cached.
//! - [`Store::fence`](session_core::Store::fence) returns once no node will answer with anything older than what was
//!   acknowledged before. `Session::destroy_everywhere` is a log-out followed by it.
//!
//! # Touches
//!
//! A session that is answered from the cache, and has more than a minute to live, is touched
//! without asking the shared store: touches are collected for 100 ms, or until there are 512, and
//! sent together, one for each session. [`Store::flush`](session_core::Store::flush) sends what waits: call `Sessions::flush`
//! before the process ends.
//!
//! # In a Cluster
//!
//! A node listens to every primary, and has a lease on each: one that stops answering takes its own
//! slots out of the cache and no others. While slots move, their primaries give no leases.
//!
//! # Metrics
//!
//! [`Layered::stats`] has all counts. With the feature `opentelemetry` and a meter
//! ([`LayeredBuilder::meter`]) they are reported as `session.cache.…`. The module `observe` has the table of
//! these and all other metrics, a store that measures another one, and counters of what happens to
//! sessions.
#![cfg_attr(docsrs, feature(doc_cfg))]

// What is built, and what sessions see of it.
mod builder;
mod store;

// Reads.
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

// What stores and sessions tell.
#[cfg(feature = "opentelemetry")]
pub mod observe;

pub use builder::LayeredBuilder;
#[cfg(feature = "counter-experiments")]
pub use defences::Defence;
pub use stats::{Bypassed, Stats, Touches};
pub use store::Layered;

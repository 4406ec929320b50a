//! What stores and sessions tell by OpenTelemetry: metrics, and spans by `tracing`.
//!
//! ```
//! # fn main() -> Result<(), session_core::Error> {
//! use std::sync::Arc;
//!
//! use session_core::Sessions;
//! use session_layered::observe::{Observed, SessionMetrics};
//! use session_memory::MemoryStore;
//!
//! // The application's own; without a provider it records nothing.
//! let meter = opentelemetry::global::meter("shop");
//! let store = Observed::new(MemoryStore::new(), "memory", &meter);
//! let sessions =
//!     Sessions::builder(store).observer(Arc::new(SessionMetrics::new(&meter))).build()?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Observed`] goes around any store; no cache is needed, and where there is one both it and the
//! shared store behind it can be observed. What is not installed costs nothing. The facade's
//! `Config::meter` installs all of it.
//!
//! # Spans
//!
//! All are at DEBUG, and their fields hold words out of fixed lists, and numbers: no token, key,
//! subject, field or value. `error.type` is there if something failed; `otel.status_code`, too,
//! which `tracing-opentelemetry` takes for the span's status.
//!
//! | span | fields | |
//! |---|---|---|
//! | `session.load` | `session.outcome`: `found`, `absent`, `unreadable`, `rejected`, `none`, `error`; `session.source`: `local`, `shared` | a request's session is read (`session-core`) |
//! | `session.save` | `session.operation`: `create`, `replace`, `rotate`, `touch`, `delete`, `none`; `session.outcome`: `done`, `error`; `session.conflicts` | what it did is saved, if anything is to be (`session-core`) |
//! | `session.store.load`, `.create`, `.replace`, `.rotate`, `.touch`, `.delete`, `.purge_expired`, `.list`, `.fence`, `.flush` | `session.backend`; `session.outcome` as in the metrics | an operation of an [`Observed`] store |
//! | `session.cache.load`, `session.cache.touches`, `session.cache.subscription` | `count`; `lane`, `number` | what a [`Layered`](crate::Layered) store asks the shared one, and its subscription (at INFO) |
//!
#![doc = include_str!("metrics.md")]

mod instruments;
mod sessions;
mod store;

pub use self::sessions::SessionMetrics;
pub use self::store::Observed;

//! The embedded store of session-kit: sessions in this process, and nothing else to run.
//!
//! [`MemoryStore`] is a complete [`Store`](session_core::Store): conditional writes, a
//! [subject index](session_core::SubjectIndex) and a [backplane](session_core::Backplane).
//! What it does not do is to outlive the process or to be seen from another one.
//!
//! It is bounded in sessions and in bytes. When it is full, expired sessions make way and live
//! ones never do: a new session is refused with
//! [`ErrorKind::Full`](session_core::ErrorKind::Full), so that nobody can log others out by
//! opening sessions.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use session_core::{
//!     Clock, Created, Key, Load, Loaded, Namespace, OsEntropy, Payload, Record, Revision, Store,
//!     SystemClock, Token,
//! };
//! use session_memory::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), session_core::Error> {
//! let store = MemoryStore::builder()
//!     .max_sessions(100_000)
//!     .max_bytes(128 << 20)
//!     .sweep_every(Duration::from_secs(60))
//!     .build()?;
//!
//! let now = SystemClock.now();
//! let record = Record {
//!     revision: Revision::UNSAVED,
//!     created_at: now,
//!     authenticated_at: None,
//!     idle_deadline: now.plus(Duration::from_secs(30 * 60)),
//!     absolute_deadline: now.plus(Duration::from_secs(12 * 3600)),
//!     timeouts: None,
//!     subject: None,
//!     device: None,
//!     payload: Payload::new(r#"{"cart":[1,2]}"#),
//! };
//! let key = Key::of(&Token::random(&OsEntropy)?, &Namespace::parse("shop")?);
//!
//! assert!(matches!(store.create(&key, &record).await?, Created::Created(_)));
//! assert!(matches!(store.load(&key, Load::default()).await?, Loaded::Found { .. }));
//! assert!(store.delete(&key).await?);
//! assert!(store.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # What it costs
//!
//! A read locks one of 256 shards, finds the session and clones an [`Arc`](std::sync::Arc): the
//! record is neither copied nor decoded. A write copies its payload once, into a piece of memory
//! of just that size. Nothing ever waits, and no call is suspended half way, so a call that is
//! cancelled has happened as a whole or not at all.
//!
//! What has expired is absent at once. Its room is freed by the writes that follow (each frees a
//! few), by [`purge_expired`](session_core::Store::purge_expired), by a new session that would
//! not fit otherwise, and by the sweeper if
//! [`sweep_every`](MemoryStoreBuilder::sweep_every) is set.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod store;

mod shard;
mod state;

mod backplane;
mod capacity;
mod subject_index;
mod sweeper;
mod sync;

pub use builder::MemoryStoreBuilder;
pub use store::MemoryStore;

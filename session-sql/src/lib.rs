//! The SQL store of session-kit: sessions in a database that a service already has.
//!
//! [`SqlStore`] is a complete [`Store`](session_core::Store) with a
//! [subject index](session_core::SubjectIndex), on PostgreSQL 12, MySQL 8.0, MariaDB 10.6, or later,
//! and on SQLite, which is compiled in. On PostgreSQL it has a
//! [backplane](session_core::Backplane), so that `session-layered` can stand in front.
//!
//! # Example
//!
//! ```no_run
//! use session_core::Sessions;
//! use session_sql::{Database, SqlStore};
//!
//! # fn main() -> Result<(), session_core::Error> {
//! let database = Database::parse("postgres://shop:secret@db.internal/shop")?;
//! let store = SqlStore::builder(database).migrate(true).build()?;
//! let sessions = Sessions::builder(store).build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # The tables
//!
//! One row is one session, for auditors as for us: who (`subject`), from what device (`user_agent`,
//! `address`), since when (`created_at`, `authenticated_at`), until when (`idle_deadline`,
//! `absolute_deadline`, the earlier of which is `ends_at`), and the fields (`payload`, which is JSON if
//! it is neither compressed nor encrypted and the codec is the default one). Points in time are
//! milliseconds since the Unix epoch. `session_key` is two bytes of partition and the SHA-256 digest of
//! namespace and token: who reads the table opens no session with it.
//!
//! [`migrate`](SqlStoreBuilder::migrate) makes the tables at the start, and [`SqlStore::migrate`]
//! when you say so; [`Database::migrations`] prints the statements for those who run their own.
//! Beside `sessions` there are `sessions_migrations`, which keeps account of that, and on PostgreSQL
//! `sessions_nodes`, the heartbeats of caches. A user who does not migrate needs `SELECT`, `INSERT`,
//! `UPDATE` and `DELETE` on the first and the last.
//!
//! # What it costs
//!
//! | operation | statements, each one round trip |
//! |---|---|
//! | load, with or without a known revision | one `SELECT` by the primary key; a payload that is known does not travel |
//! | create | one `INSERT` |
//! | replace | one `UPDATE … WHERE revision = …`; on a conflict one `SELECT` more |
//! | rotate | one `UPDATE` of the primary key, as above |
//! | touch of any number of sessions | one; on MySQL one more if some are gone |
//! | delete | one; on MySQL one more if there was nothing to delete |
//! | list a subject's sessions | one for each page |
//! | purge | one for each batch |
//!
//! On PostgreSQL a change and its announcement are the same statement. Statements are prepared once for
//! each connection, and their text is made once for each store.
//!
//! Expired sessions are absent at once, and their rows go in batches of a thousand at most, by a
//! [task](SqlStoreBuilder::sweep_every) on every node: on PostgreSQL, MySQL and MariaDB each skips what another one
//! is about (`SKIP LOCKED`).
//!
//! # Failures
//!
//! Every call ends by its [deadline](SqlStoreBuilder::timeout), whatever is tried on the way, and the
//! wait for a connection included. It is executed in a task of its own: a request that is given up leaves no
//! connection in the middle of something, and one that is in the middle of something at its deadline
//! is closed.
//!
//! A call is executed again, within its deadline, only if it was not executed for certain (a deadlock, a
//! file that is busy, a connection that could not be made), or, once, if executing it twice does
//! no harm: loads, lists, touches, deletes. Another write that was cut off is an error, and its outcome
//! unknown.
//!
//! A server that is read-only (a replica, or a primary that was demoted) is not connected to, and is left with the first
//! write that it refuses. Until then, connections to a primary that was demoted while they were open read what it has. What
//! the database refuses has its code in the error's context, as `code`: SQLSTATE on PostgreSQL, error
//! numbers on MySQL and MariaDB, result codes on SQLite.
//!
//! | trouble | kind of error |
//! |---|---|
//! | cannot be reached, refuses the user, is read-only, lacks a database or a permission | [`Unavailable`](session_core::ErrorKind::Unavailable) |
//! | no answer in time | [`Timeout`](session_core::ErrorKind::Timeout) |
//! | the table is missing, or is not as session-kit makes it; a pooler that was not spoken of | [`Misconfigured`](session_core::ErrorKind::Misconfigured) |
//! | a row that is no session (lists leave it out), a damaged file | [`Corrupt`](session_core::ErrorKind::Corrupt) |
//! | no room left | [`Full`](session_core::ErrorKind::Full) |
//! | a payload longer than the column, or than the server's `max_allowed_packet` | [`TooLarge`](session_core::ErrorKind::TooLarge) |
//!
//! # PostgreSQL
//!
//! Changes are announced by `NOTIFY`, in the transaction that makes them, and PostgreSQL delivers
//! notifications in the order of commits: that is what a cache in front of it relies on. Each node
//! that caches listens on a connection of its own. To empty the caches of every node:
//! `UPDATE sessions_nodes SET epoch = epoch + 1 WHERE node = 0`; do so after restoring sessions from
//! a backup under a running service, and after changing or deleting rows by hand, which nothing announces.
//! The channel is named after the table as it is written: all nodes have to write it alike, with the schema or without.
//!
//! A pooler in transaction mode needs
//! [`through_transaction_pooler`](SqlStoreBuilder::through_transaction_pooler), and no `options` in the URL; PgBouncer
//! tells of an outage as one from 1.16 on.
//!
//! # MySQL, MariaDB
//!
//! There is nothing like `NOTIFY`, so there is no [`backplane`](session_core::Store::backplane): a cache
//! in front could not know what has changed elsewhere. Connections use `READ COMMITTED`, strict mode, `autocommit` and
//! `utf8mb4`, whatever the server's defaults or the URL say. A statement that the server is at when its connection is closed
//! goes on to its end there, but waits no longer than a second for a lock. What is acknowledged is visible on the node of a
//! Galera cluster or of a replication group that was written to: have one node written to and read from.
//!
//! MySQL's own way to log in since 8.0, `caching_sha2_password`, needs the feature `tls`: without TLS it works
//! only as long as the server remembers the user from another log-in.
//!
//! # SQLite
//!
//! The file is used by one machine: several processes may share it, a network file system will
//! damage it. It is in WAL mode, so reads and the one writer do not wait for each other; with
//! `synchronous = FULL`, so a log-out that was acknowledged holds after a power cut. Another process could
//! learn of changes by asking again and again alone, so there is no backplane. SQLite has no queue for
//! those who want to write: where several processes write without a pause, one may wait for long.
#![cfg_attr(docsrs, feature(doc_cfg))]
// Then every URL is refused, and nothing comes after that.
#![cfg_attr(
    not(any(feature = "mysql", feature = "postgres", feature = "sqlite")),
    allow(dead_code, unreachable_code, unused_imports, unused_variables)
)]

mod builder;
mod database;
mod table;

mod engine;
mod store;
mod subject_index;
mod sweeper;

mod dialect;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

mod arguments;
mod error;
mod migrations;
mod pool;
mod row;

pub use builder::SqlStoreBuilder;
pub use database::Database;
pub use migrations::Migration;
pub use store::SqlStore;
pub use table::TableName;

//! Sessions for Rust web services: log-ins that survive restarts, scale-out and deploys, and log-outs
//! that take effect everywhere.
//!
//! ```no_run
//! # #[cfg(all(feature = "axum", feature = "memory"))] mod shown {
//! use axum::{Router, routing::get};
//! use session_kit::axum::{Session, SessionError, SessionLayer};
//! use session_kit::{Error, Field, MemoryStore, Sessions};
//!
//! const VISITS: Field<u64> = Field::new("visits");
//!
//! async fn count(session: Session) -> Result<String, SessionError> {
//!     let visits = session.update(VISITS, |visits| visits.unwrap_or(0) + 1)?;
//!     Ok(format!("This is visit number {visits}."))
//! }
//!
//! fn app() -> Result<Router, Error> {
//!     let sessions = Sessions::builder(MemoryStore::new()).build()?;
//!     Ok(Router::new().route("/", get(count)).layer(SessionLayer::new(sessions)))
//! }
//! # }
//! ```
//!
//! # Where to begin
//!
//! - [`Sessions`] is what an application has one of: a store with timeouts, a cookie, a codec.
//! - [`Session`] is what a handler has: typed fields, [`log_in`](Session::log_in) and
//!   [`log_out`](Session::log_out), [`rotate`](Session::rotate), flash messages. Adapters hand it
//!   out: the modules `axum` and `actix`, each with a feature of its name.
//! - Stores are the modules `memory`, `redis` and `sql`; `layered` puts a cache on each node in front of
//!   one of them, with a bound on how old what it serves may be.
//! - `config` composes all that from a TOML file and the environment, and `observe` has what it
//!   tells: metrics by OpenTelemetry, spans by `tracing`.
//! - [`Store`] is the contract of a store, [`Codec`] that of an encoding. The suite of
//!   `session-testkit` says whether a store of yours keeps its word.
//!
//! # Features
//!
//! `memory` and `axum` are on by default. `redis`, `postgres`, `mysql`, `sqlite` and `layered` are stores,
//! `redis-tls` and `sql-tls` their connections by TLS; `actix` is the other adapter; `config`,
//! `config-schema` and `opentelemetry` are as above; `msgpack`, `cbor`, `compress` and `encrypt` are ways
//! to write a session down, `secure-cookies` signs or encrypts the cookie. Features add; none changes
//! what the rest does. (`counter-experiments` is none of them: it takes defences down, to show what
//! they are for.)
//!
//! The repository's README compares stores, features and costs.
#![cfg_attr(docsrs, feature(doc_cfg))]

/// What the README shows compiles, with everything that it shows.
#[cfg(all(
    doctest,
    feature = "actix",
    feature = "axum",
    feature = "config",
    feature = "layered",
    feature = "memory",
    feature = "opentelemetry",
    feature = "postgres",
    feature = "redis"
))]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(feature = "config")]
pub mod config;

pub use session_core::*;

/// The tower layer and the extractors for axum.
#[cfg(feature = "axum")]
pub mod axum {
    pub use session_axum::*;
}

/// The middleware and the extractors for actix-web.
#[cfg(feature = "actix")]
pub mod actix {
    pub use session_actix::*;
}

/// The embedded store: sessions in this process.
#[cfg(feature = "memory")]
pub mod memory {
    pub use session_memory::*;
}

/// The Redis store: one server, Sentinel or Cluster.
#[cfg(feature = "redis")]
pub mod redis {
    pub use session_redis::*;
}

/// The SQL store: PostgreSQL, MySQL/MariaDB, SQLite.
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub mod sql {
    pub use session_sql::*;
}

/// The layered store: a local cache in front of a shared store, with a bound on staleness.
#[cfg(feature = "layered")]
pub mod layered {
    pub use session_layered::*;
}

/// What stores and sessions tell: spans, and metrics by OpenTelemetry.
#[cfg(feature = "opentelemetry")]
pub mod observe {
    pub use session_layered::observe::*;
}

#[cfg(feature = "layered")]
pub use session_layered::Layered;
#[cfg(feature = "memory")]
pub use session_memory::MemoryStore;
#[cfg(feature = "redis")]
pub use session_redis::{RedisStore, Topology};
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub use session_sql::{Database, SqlStore};

#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

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

//! The Redis store of session-kit: one server, Sentinel or Cluster.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod topology;
#[cfg(feature = "tls")]
mod tls;

mod store;
mod subject_index;
mod backplane;
mod nonce;

mod client;
mod connect;
mod scripts;
mod slot;

mod announcement;
mod names;
mod value;

mod error;
mod sync;

pub use builder::RedisStoreBuilder;
pub use nonce::{Claim, RedisNonces};
pub use store::RedisStore;
#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
pub use tls::Tls;
pub use topology::Topology;

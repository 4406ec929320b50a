//! Servers that belong to one test: Redis alone, under Sentinel, and as a Cluster.
//!
//! Each is started as child processes on free ports of 127.0.0.1, keeps its files in a temporary
//! folder, and is gone with the value that stands for it. Nothing else on the machine is touched,
//! whatever runs on port 6379 included.
//!
//! ```no_run
//! # async fn example() {
//! use session_testkit::servers::Redis;
//!
//! let redis = Redis::builder().config("appendonly", "yes").start().await;
//! redis.command(&["SET", "greeting", "hello"]).await;
//! redis.kill();
//! redis.restart().await;
//! assert_eq!(redis.query::<String>(&["GET", "greeting"]).await.unwrap(), "hello");
//! # }
//! ```
//!
//! [`ServerHarness`] runs the conformance suite against a store on one of them.
//!
//! # What they need
//!
//! `redis-server` 7.0 or later on the `PATH`, on Debian from the package `redis-server`. If it is
//! missing, starting panics and says so: a test that needs a server never passes without one.
//!
//! On Linux with `setpriv` (of the package `util-linux`), servers end with the test's process
//! however that ends, even by SIGKILL. Elsewhere, one that is killed leaves them running.

mod builder;
mod certificates;
mod cluster;
mod harness;
mod nodes;
mod port;
mod process;
mod program;
mod redis;
mod sentinel;

pub use builder::RedisBuilder;
pub use certificates::Certificates;
pub use cluster::{Cluster, ClusterBuilder};
pub use harness::ServerHarness;
pub use redis::Redis;
pub use sentinel::{Sentinel, SentinelBuilder};

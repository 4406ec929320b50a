//! Servers that belong to one test: PostgreSQL with or without PgBouncer, MariaDB, Redis alone,
//! under Sentinel, and as a Cluster, and nginx or Caddy in front of what is tested.
//!
//! Each is started as child processes on free ports of 127.0.0.1, keeps its files in a temporary
//! folder, and is gone with the value that stands for it. Nothing else on the machine is touched,
//! whatever runs on the usual ports included.
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
//! [`ServerHarness`] runs the conformance suite against a store on one of them, and [`Stopwatch`]
//! measures on a machine that is busy with all this.
//!
//! # What they need
//!
//! | Fixtures | Programs | Debian package |
//! |---|---|---|
//! | Redis | `redis-server` 7.0 or later | `redis-server` |
//! | [`Postgres`] | `postgres` 14 or later, `initdb`, `psql` | `postgresql` |
//! | [`PgBouncer`] | `pgbouncer`, `psql` | `pgbouncer` |
//! | [`MariaDb`] | `mariadbd` 10.5 or later, `mariadb-install-db`, `mariadb` | `mariadb-server` |
//! | Nginx | `nginx` 1.20 or later | `nginx` |
//! | Caddy | `caddy` 2.6 or later | `caddy` |
//!
//! They are looked for on the `PATH` and where Debian keeps them. If one is missing, starting
//! panics and says so: a test that needs a server never passes without one.
//!
//! # Where their files are
//!
//! In folders of `TMPDIR`; if that is not set, in memory (`/dev/shm`) as long as a gigabyte is
//! free, or else in the temporary folder of the system. When root runs the tests, others must
//! have access to it. There is also an archive for each SQL server, from which all get their data
//! directory: it takes a second or more to make, and stays.
//!
//! # How they end
//!
//! On Linux with `setpriv` (of the package `util-linux`), servers end with the test's process
//! however that ends, even by SIGKILL. Elsewhere, one that is killed leaves them running; and a
//! pause of PostgreSQL does not reach the processes that it has for its connections. The folders of
//! those who were killed are left behind.

mod account;
mod certificates;
mod children;
mod client;
mod harness;
mod mariadb;
mod pgbouncer;
mod port;
mod postgres;
mod process;
mod program;
mod server;
mod stopwatch;
mod template;

#[cfg(feature = "servers")]
mod builder;
#[cfg(feature = "servers")]
mod caddy;
#[cfg(feature = "servers")]
mod cluster;
#[cfg(feature = "servers")]
mod nginx;
#[cfg(feature = "servers")]
mod nodes;
#[cfg(feature = "servers")]
mod redis;
#[cfg(feature = "servers")]
mod sentinel;

pub use certificates::Certificates;
pub use harness::ServerHarness;
pub use mariadb::{MariaDb, MariaDbBuilder};
pub use pgbouncer::{PgBouncer, PgBouncerBuilder};
pub use port::Port;
pub use postgres::{Postgres, PostgresBuilder};
pub use stopwatch::{Stopwatch, until};

#[cfg(feature = "servers")]
pub use self::{
    builder::RedisBuilder,
    caddy::Caddy,
    cluster::{Cluster, ClusterBuilder},
    nginx::Nginx,
    redis::Redis,
    sentinel::{Sentinel, SentinelBuilder},
};

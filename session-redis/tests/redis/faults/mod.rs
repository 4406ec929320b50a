//! What holds when servers fail, hang, move, or refuse.
//!
//! Every call is written down, and read afterwards for promises that were broken: [`checker`].

mod checker;
mod history;
mod patience;
mod workload;

mod absent;
mod cluster;
mod emptied;
mod frozen;
mod killed;
mod old_master;
mod refusals;
mod refused;
mod replies;
mod sentinel;

use session_redis::{RedisStore, RedisStoreBuilder, Topology};

fn open(topology: Result<Topology, session_core::Error>) -> RedisStore {
    builder(topology).build().unwrap()
}

fn builder(topology: Result<Topology, session_core::Error>) -> RedisStoreBuilder {
    RedisStore::builder(topology.unwrap()).namespace("faults")
}

/// A store whose calls do not run out of time on a busy machine, for what is not about that.
fn open_patient(topology: Result<Topology, session_core::Error>) -> RedisStore {
    builder(topology).timeout(crate::fixture::TIMEOUT).build().unwrap()
}

/// N: how long after a fault all is well again, at most.
const RECOVERY: std::time::Duration = std::time::Duration::from_secs(2);
/// T: how long a call takes, at most.
const DEADLINE: std::time::Duration = std::time::Duration::from_millis(500);
/// By how much a busy machine may be late.
const SLACK: std::time::Duration = std::time::Duration::from_millis(250);

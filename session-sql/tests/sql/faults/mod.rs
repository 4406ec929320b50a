//! What holds when databases hang, refuse, die, or are kept busy by others.

mod calls;
mod patience;
mod server;

mod absent;
mod busy;
mod cancelled;
mod clocks;
mod exhausted;
mod frozen;
mod killed;
mod mariadb;
mod pooler;
mod read_only;
mod replies;
mod sweeper;

use std::time::Duration;

use session_sql::{SqlStore, SqlStoreBuilder};

use crate::fixture;

pub(crate) use self::patience::until;

/// T: how long a call takes, at most. Shorter than the second for which MySQL waits for a lock.
const DEADLINE: Duration = Duration::from_millis(800);
/// By how much a busy machine may be late, of the time in which it serves the test at all.
const SLACK: Duration = Duration::from_millis(500);
/// How long after a fault all is well again, at most.
const RECOVERY: Duration = Duration::from_secs(1);
/// How long to wait for what has nothing to do with the store.
const LONG: Duration = Duration::from_secs(20);
/// After so many ms without use, a connection is no longer trusted.
const REST: u64 = 1_050;
/// Connections of a store, unless told otherwise.
const CONNECTIONS: usize = 4;

fn builder(url: &str, namespace: &str) -> SqlStoreBuilder {
    fixture::builder(url, namespace).timeout(DEADLINE).max_connections(CONNECTIONS)
}

fn open(url: &str, namespace: &str) -> SqlStore {
    builder(url, namespace).build().unwrap()
}

/// A store whose calls do not run out of time on a busy machine, for what is not about that.
fn open_patient(url: &str, namespace: &str) -> SqlStore {
    builder(url, namespace).timeout(fixture::TIMEOUT).build().unwrap()
}

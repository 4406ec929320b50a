//! What the tests have in common: stores, records, and patience.

use std::time::{Duration, Instant};

use session_core::{
    Clock as _, Created, Error, Key, Load, Loaded, Record, Replaced, Revision, Store, Subject,
    SystemClock,
};
use session_redis::{RedisStore, RedisStoreBuilder, Topology};
use session_testkit::sample;
use session_testkit::servers::{Cluster, Redis, Sentinel};

/// What every key of a test begins with. Each has servers of its own.
pub(crate) const NAMESPACE: &str = "shop";

/// How long to wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);

/// Where to find a fixture.
pub(crate) trait Servers {
    fn topology(&self) -> Topology;
}

impl Servers for Redis {
    fn topology(&self) -> Topology {
        Topology::single(&self.url()).unwrap()
    }
}

impl Servers for Sentinel {
    fn topology(&self) -> Topology {
        Topology::sentinel(self.nodes(), self.master()).unwrap()
    }
}

impl Servers for Cluster {
    fn topology(&self) -> Topology {
        Topology::cluster(self.nodes()).unwrap()
    }
}

/// Time enough on a busy machine: what is not about timeouts does not run into one.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn builder(servers: &impl Servers) -> RedisStoreBuilder {
    RedisStore::builder(servers.topology()).namespace(NAMESPACE).timeout(TIMEOUT)
}

pub(crate) fn store(servers: &impl Servers) -> RedisStore {
    builder(servers).build().unwrap()
}

/// The Redis key of a session.
pub(crate) fn name_of(key: &Key) -> String {
    let text = key.to_string();
    let (partition, digest) = text.split_once(':').unwrap();
    format!("{NAMESPACE}:{{{partition}}}:{digest}")
}

pub(crate) fn anonymous() -> Record {
    sample::record(SystemClock.now())
}

pub(crate) fn signed_in(subject: &Subject) -> Record {
    let record = anonymous();
    let authenticated_at = Some(record.created_at);
    Record { subject: Some(subject.clone()), authenticated_at, ..record }
}

/// A new session, at its first revision.
pub(crate) async fn create(store: &RedisStore, record: &Record) -> (Key, Revision) {
    let key = sample::key();
    match store.create(&key, record).await.unwrap() {
        Created::Created(revision) => (key, revision),
        Created::Duplicate => panic!("a key drawn at random is taken"),
    }
}

pub(crate) async fn find(store: &RedisStore, key: &Key) -> Option<Record> {
    match store.load(key, Load::default()).await.unwrap() {
        Loaded::Found { record, .. } => Some((*record).clone()),
        Loaded::Absent => None,
        Loaded::Unchanged { .. } => panic!("nothing was known"),
    }
}

#[track_caller]
pub(crate) fn replaced(answer: Result<Replaced, Error>) -> Revision {
    match answer.unwrap() {
        Replaced::Replaced(revision) => revision,
        other => panic!("nothing was replaced: {other:?}"),
    }
}

/// Returns when it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < until, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

//! What the tests have in common: nodes with a lease, sessions, and patience.

use std::sync::Arc;
use std::time::{Duration, Instant};

use session_core::{
    Clock as _, Consistency, Created, Error, Key, Load, Loaded, Record, Replaced, Revision, Source,
    Store, SystemClock,
};
use session_layered::{Layered, LayeredBuilder};
use session_redis::{RedisStore, RedisStoreBuilder, Topology};
use session_sql::{Database, SqlStore, SqlStoreBuilder};
use session_testkit::servers::{Cluster, Redis, Sentinel};
use session_testkit::{FaultyStore, Gate, Method, sample};
use tokio::task::JoinHandle;

pub(crate) const NAMESPACE: &str = "shop";
/// For what is about the bound: short, so that what has to wait for it does not wait for long.
pub(crate) const D: Duration = Duration::from_millis(500);
/// For everything else: a busy machine does not lose a lease of that length.
const LONG_LEASE: Duration = Duration::from_secs(60);
/// Time enough on a busy machine: what is not about timeouts does not run into one.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a busy machine may take for what takes milliseconds, or a few of them.
pub(crate) const SOON: Duration = Duration::from_secs(5);
/// No server is taken for dead, however busy the machine is.
pub(crate) const UNDISTURBED: Duration = Duration::from_secs(30);
/// How long to wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);

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

pub(crate) fn redis(servers: &impl Servers) -> RedisStoreBuilder {
    RedisStore::builder(servers.topology()).namespace(NAMESPACE).timeout(TIMEOUT)
}

/// A store in a table of its own for each namespace.
pub(crate) fn postgres(url: &str, namespace: &str) -> SqlStoreBuilder {
    let table = format!("s_{}", namespace.replace(['-', '.'], "_"));
    let builder = SqlStore::builder(Database::parse(url).unwrap()).table(table).migrate(true);
    builder.without_sweeper().timeout(TIMEOUT)
}

pub(crate) fn layered(shared: Arc<dyn Store>) -> LayeredBuilder {
    Layered::builder_shared(shared).max_staleness(LONG_LEASE)
}

/// A node that answers from its cache, for long.
pub(crate) async fn node(shared: Arc<dyn Store>) -> Layered {
    leased(layered(shared)).await
}

/// A node whose lease is short.
pub(crate) async fn short_leased(shared: Arc<dyn Store>) -> Layered {
    leased(layered(shared).max_staleness(D)).await
}

/// A node that has a lease on every lane.
pub(crate) async fn leased(builder: LayeredBuilder) -> Layered {
    let node = builder.build().unwrap();
    until_leased(&node).await;
    node
}

pub(crate) async fn until_leased(node: &Layered) {
    eventually("a lease", async || !node.stats().lease_left.is_zero()).await;
}

pub(crate) fn record() -> Record {
    sample::record(SystemClock.now())
}

pub(crate) async fn create(store: &dyn Store, key: &Key, record: &Record) -> Revision {
    match store.create(key, record).await.unwrap() {
        Created::Created(revision) => revision,
        Created::Duplicate => panic!("a key drawn at random is taken"),
    }
}

/// The revision, and who answered.
pub(crate) async fn read(store: &dyn Store, key: &Key) -> Option<(Revision, Source)> {
    read_with(store, key, Load::default()).await
}

pub(crate) async fn read_strong(store: &dyn Store, key: &Key) -> Option<(Revision, Source)> {
    read_with(store, key, Load::default().consistency(Consistency::Strong)).await
}

pub(crate) async fn read_with(
    store: &dyn Store,
    key: &Key,
    load: Load,
) -> Option<(Revision, Source)> {
    match store.load(key, load).await.unwrap() {
        Loaded::Found { record, source } => Some((record.revision, source)),
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

/// A replace that has been executed, and whose answer waits behind the gate.
pub(crate) async fn held_replace(
    faulty: &FaultyStore,
    node: &Layered,
    key: Key,
    expected: Revision,
) -> (Gate, JoinHandle<Revision>) {
    let gate = faulty.hold_reply(Method::Replace);
    let node = node.clone();
    let write =
        tokio::spawn(async move { replaced(node.replace(&key, &record(), expected).await) });
    gate.reached().await;
    (gate, write)
}

/// A load that has been executed, and whose answer waits behind the gate.
pub(crate) async fn held_load(
    faulty: &FaultyStore,
    node: &Layered,
    key: Key,
) -> (Gate, JoinHandle<Option<(Revision, Source)>>) {
    let gate = faulty.hold_reply(Method::Load);
    let node = node.clone();
    let load = tokio::spawn(async move { read(&node, &key).await });
    gate.reached().await;
    (gate, load)
}

/// Reads until the node answers from its cache, however often a busy machine makes it too late.
/// That has to be the answer at this revision.
pub(crate) async fn until_cached(node: &Layered, key: &Key, revision: Revision) {
    eventually("it is cached", async || match node.load(key, Load::default()).await {
        Ok(Loaded::Found { record, source }) => {
            assert_eq!(record.revision, revision);
            source == Source::Local
        }
        Ok(other) => panic!("{other:?}"),
        // Too late, or not there again yet.
        Err(_) => false,
    })
    .await;
}

/// Reads until the answer is another one, and returns how long after `since` the old one was last
/// given by the cache.
pub(crate) async fn last_local(node: &Layered, key: &Key, since: Instant) -> Duration {
    let mut last = Duration::ZERO;
    eventually("the cache to let go", async || {
        let asked = since.elapsed();
        match node.load(key, Load::default()).await {
            Ok(Loaded::Found { source: Source::Local, .. }) => {
                last = asked;
                false
            }
            _ => true,
        }
    })
    .await;
    last
}

/// Returns when it is so, and how long that took.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    begun.elapsed()
}

//! Two nodes of a service that see the same sessions, in each way they can. Used by the tests of
//! the adapters.

use std::sync::Arc;
use std::time::{Duration, Instant};

use session_core::{Clock as _, Store, SystemClock};
use session_layered::Layered;
use session_memory::MemoryStore;
use session_redis::{RedisStore, Topology};
use session_testkit::servers::Redis;
use session_testkit::{FaultyStore, ManualClock};

/// For how long the layered store may serve what was before.
const STALENESS: Duration = Duration::from_millis(500);
/// Time enough on a busy machine: what is not about timeouts does not run into one.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Nodes {
    pub(crate) a: Arc<FaultyStore>,
    pub(crate) b: Arc<FaultyStore>,
    /// Deadlines are judged by it.
    pub(crate) clock: ManualClock,
    /// What both have in common, if it is a server.
    pub(crate) redis: Option<Redis>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One embedded store.
    Memory,
    /// A store each, on one server.
    Redis,
    /// A cache each, in front of one server.
    Layered,
}

impl Nodes {
    /// The Redis keys of all sessions: namespace, partition and 43 characters of digest.
    pub(crate) async fn stored(&self) -> Vec<String> {
        let Some(redis) = &self.redis else { return Vec::new() };
        let pattern = format!("session:{{????}}:{}", "?".repeat(43));
        redis.query(&["KEYS", &pattern]).await.unwrap()
    }
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Memory, Self::Redis, Self::Layered];

    pub(crate) async fn start(self) -> Nodes {
        self.start_with(TIMEOUT).await
    }

    /// Nodes that give up on their server after that time.
    pub(crate) async fn start_with(self, timeout: Duration) -> Nodes {
        let clock = ManualClock::new(SystemClock.now());
        let redis = match self {
            Self::Memory => None,
            Self::Redis | Self::Layered => Some(Redis::start().await),
        };
        let on_redis = |redis: &Redis| {
            let topology = Topology::single(&redis.url()).unwrap();
            let builder = RedisStore::builder(topology).timeout(timeout);
            builder.clock(Arc::new(clock.clone())).build().unwrap()
        };
        let [a, b]: [Arc<dyn Store>; 2] = match (self, &redis) {
            (Self::Redis, Some(redis)) => [0; 2].map(|_| Arc::new(on_redis(redis)) as _),
            (Self::Layered, Some(redis)) => {
                let nodes = [0; 2].map(|_| layered(on_redis(redis), &clock));
                for node in &nodes {
                    until_leased(node).await;
                }
                nodes.map(|node| Arc::new(node) as _)
            }
            _ => {
                let memory = MemoryStore::builder().clock(Arc::new(clock.clone())).build().unwrap();
                [0; 2].map(|_| Arc::new(memory.clone()) as _)
            }
        };
        let [a, b] = [a, b].map(|store| Arc::new(FaultyStore::new(store)));
        Nodes { a, b, clock, redis }
    }

    /// For how long after a change a node may serve what was before.
    pub(crate) fn staleness(self) -> Duration {
        match self {
            Self::Memory | Self::Redis => Duration::ZERO,
            Self::Layered => STALENESS,
        }
    }
}

fn layered(shared: RedisStore, clock: &ManualClock) -> Layered {
    let builder = Layered::builder(shared).max_staleness(STALENESS);
    builder.clock(Arc::new(clock.clone())).build().unwrap()
}

async fn until_leased(node: &Layered) {
    eventually("a lease", async || !node.stats().lease_left.is_zero()).await;
}

/// Returns when it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

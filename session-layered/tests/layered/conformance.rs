//! A layered store is a store like any other: the whole suite, over every store that announces.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::{Store, Timestamp};
use session_layered::Layered;
use session_redis::RedisStoreBuilder;
use session_testkit::servers::{Cluster, Redis, Sentinel, ServerHarness};
use session_testkit::{Harness, clauses};

use crate::fixture::{Servers, layered, redis, until_leased};

mod over_memory {
    use std::sync::Arc;

    use session_memory::MemoryStore;
    use session_testkit::{InProcess, ManualClock};

    use crate::fixture::{layered, until_leased};

    async fn harness() -> InProcess {
        let clock = ManualClock::default();
        let shared = MemoryStore::builder().clock(Arc::new(clock.clone())).build().unwrap();
        let store = layered(Arc::new(shared)).clock(Arc::new(clock.clone())).build().unwrap();
        until_leased(&store).await;
        InProcess::new(store, clock)
    }

    session_testkit::store_tests!(harness);
}

#[tokio::test]
async fn every_clause_holds_over_one_server() {
    let server = Arc::new(Redis::start().await);
    clauses::check_all(async || {
        nodes_on(redis(&*server), Arc::clone(&server), |it| vec![it]).await
    });
}

#[tokio::test]
async fn every_clause_holds_behind_sentinels() {
    let sentinel = Arc::new(Sentinel::start().await);
    clauses::check_all(async || {
        nodes_on(redis(&*sentinel), Arc::clone(&sentinel), |it| vec![it.primary()]).await
    });
}

#[tokio::test]
async fn every_clause_holds_over_a_cluster() {
    let cluster = Arc::new(Cluster::start().await);
    clauses::check_all(async || {
        nodes_on(redis(&*cluster), Arc::clone(&cluster), |it| it.primaries().iter().collect()).await
    });
}

/// A node whose cache answers, and for each reopening another one.
struct Nodes {
    first: Arc<Layered>,
    harness: ServerHarness,
}

async fn nodes_on<S: Servers + Send + Sync + 'static>(
    builder: RedisStoreBuilder,
    servers: Arc<S>,
    primaries: fn(&S) -> Vec<&Redis>,
) -> Nodes {
    let counted = Arc::clone(&servers);
    let shared = move |namespace: &str| -> Arc<dyn Store> {
        Arc::new(builder.clone().namespace(namespace).build().unwrap())
    };
    let open = shared.clone();
    let harness =
        ServerHarness::new(move |namespace| Arc::new(layered(open(namespace)).build().unwrap()));
    let first = Arc::new(layered(shared(harness.namespace())).build().unwrap());
    until_leased(&first).await;
    let harness = harness
        .with_tick(Duration::from_millis(250))
        .with_occupied(move |namespace| {
            let servers = Arc::clone(&counted);
            async move {
                let mut count = 0;
                for server in primaries(&servers) {
                    count += sessions(server, &namespace).await;
                }
                count
            }
        })
        .with_guard(servers);
    Nodes { first, harness }
}

async fn sessions(server: &Redis, namespace: &str) -> usize {
    let keys: Vec<String> =
        server.query(&["KEYS", &format!("{namespace}:{{????}}:*")]).await.unwrap();
    let is_session = |key: &&String| !key.contains("}:node") && !key.contains("}:epoch");
    keys.iter().filter(is_session).count()
}

#[async_trait]
impl Harness for Nodes {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.first) as Arc<dyn Store>
    }

    fn now(&self) -> Timestamp {
        self.harness.now()
    }

    async fn advance(&self, by: Duration) {
        self.harness.advance(by).await;
    }

    fn tick(&self) -> Duration {
        self.harness.tick()
    }

    async fn reopen(&self) -> Option<Arc<dyn Store>> {
        self.harness.reopen().await
    }

    async fn occupied(&self) -> Option<usize> {
        self.harness.occupied().await
    }
}

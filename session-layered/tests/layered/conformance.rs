//! A layered store is a store like any other: the whole suite, over every store that announces.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::{Store, Timestamp};
use session_layered::Layered;
use session_redis::RedisStoreBuilder;
use session_testkit::servers::{Cluster, Postgres, Redis, Sentinel, ServerHarness};
use session_testkit::{Harness, clauses};

use crate::fixture::{D, Servers, UNDISTURBED, layered, postgres, redis, short_leased};

mod over_memory {
    use std::sync::Arc;

    use session_memory::MemoryStore;
    use session_testkit::{InProcess, ManualClock};

    use crate::fixture::{D, layered, until_leased};

    async fn harness() -> InProcess {
        let clock = ManualClock::default();
        let shared = MemoryStore::builder().clock(Arc::new(clock.clone())).build().unwrap();
        let store = layered(Arc::new(shared)).max_staleness(D);
        let store = store.clock(Arc::new(clock.clone())).build().unwrap();
        until_leased(&store).await;
        InProcess::new(store, clock)
    }

    session_testkit::store_tests!(harness);
}

#[tokio::test]
async fn every_clause_holds_over_one_server() {
    let server = Arc::new(Redis::start().await);
    clauses::check_all(async || {
        nodes_on_redis(redis(&*server), Arc::clone(&server), |it| vec![it]).await
    });
}

#[tokio::test]
async fn every_clause_holds_behind_sentinels() {
    let sentinel = Arc::new(Sentinel::builder().down_after(UNDISTURBED).start().await);
    clauses::check_all(async || {
        nodes_on_redis(redis(&*sentinel), Arc::clone(&sentinel), |it| vec![it.primary()]).await
    });
}

#[tokio::test]
async fn every_clause_holds_over_a_cluster() {
    let cluster = Arc::new(Cluster::builder().node_timeout(UNDISTURBED).start().await);
    clauses::check_all(async || {
        nodes_on_redis(redis(&*cluster), Arc::clone(&cluster), |it| it.primaries().iter().collect())
            .await
    });
}

#[tokio::test]
async fn every_clause_holds_over_postgres() {
    let server = Arc::new(Postgres::start().await);
    clauses::check_all(async || {
        let url = server.url();
        let nodes =
            Nodes::over(move |namespace| Arc::new(postgres(&url, namespace).build().unwrap()));
        nodes.await.with(|harness| harness.with_guard(Arc::clone(&server)))
    });
}

/// A node whose cache answers, and for each reopening another one.
struct Nodes {
    first: Arc<Layered>,
    harness: ServerHarness,
}

async fn nodes_on_redis<S: Servers + Send + Sync + 'static>(
    builder: RedisStoreBuilder,
    servers: Arc<S>,
    primaries: fn(&S) -> Vec<&Redis>,
) -> Nodes {
    let counted = Arc::clone(&servers);
    let shared = move |namespace: &str| -> Arc<dyn Store> {
        Arc::new(builder.clone().namespace(namespace).build().unwrap())
    };
    let nodes = Nodes::over(shared).await;
    nodes.with(|harness| {
        let counting = harness.with_occupied(move |namespace| {
            let servers = Arc::clone(&counted);
            async move {
                let mut count = 0;
                for server in primaries(&servers) {
                    count += sessions(server, &namespace).await;
                }
                count
            }
        });
        counting.with_guard(servers)
    })
}

async fn sessions(server: &Redis, namespace: &str) -> usize {
    let keys: Vec<String> =
        server.query(&["KEYS", &format!("{namespace}:{{????}}:*")]).await.unwrap();
    let is_session = |key: &&String| !key.contains("}:node") && !key.contains("}:epoch");
    keys.iter().filter(is_session).count()
}

impl Nodes {
    async fn over(shared: impl Fn(&str) -> Arc<dyn Store> + Clone + Send + Sync + 'static) -> Self {
        let open = shared.clone();
        let harness = ServerHarness::new(move |namespace| {
            Arc::new(layered(open(namespace)).max_staleness(D).build().unwrap())
        });
        let first = Arc::new(short_leased(shared(harness.namespace())).await);
        Self { first, harness: harness.with_tick(Duration::from_millis(500)) }
    }

    fn with(self, set_up: impl FnOnce(ServerHarness) -> ServerHarness) -> Self {
        Self { first: self.first, harness: set_up(self.harness) }
    }
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

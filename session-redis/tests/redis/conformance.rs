//! The conformance suite, on every topology.

use std::sync::Arc;

use session_core::Store;
use session_redis::{RedisStore, Topology};
use session_testkit::Harness;
use session_testkit::servers::{Cluster, Redis, Sentinel, ServerHarness};

mod single {
    use super::{Arc, Harness, Redis, ServerHarness, Topology, keys, open};

    async fn harness() -> impl Harness {
        let redis = Arc::new(Redis::start().await);
        let (url, counted) = (redis.url(), Arc::clone(&redis));
        ServerHarness::new(move |namespace| open(Topology::single(&url), namespace))
            .with_occupied(move |namespace| {
                let redis = Arc::clone(&counted);
                async move { keys(&[&redis], &namespace).await }
            })
            .with_guard(redis)
    }

    session_testkit::store_tests!(harness);
}

fn open(topology: Result<Topology, session_core::Error>, namespace: &str) -> Arc<dyn Store> {
    let builder = RedisStore::builder(topology.unwrap()).namespace(namespace);
    Arc::new(builder.build().unwrap())
}

/// How many sessions there are, dead or alive.
async fn keys(servers: &[&Redis], namespace: &str) -> usize {
    let mut count = 0;
    for server in servers {
        let pattern = format!("{namespace}:{{????}}:*");
        let keys: Vec<String> = server.query(&["KEYS", &pattern]).await.unwrap();
        count += keys.iter().filter(|key| !key.contains("}:node") && !key.contains("}:epoch")).count();
    }
    count
}

//! Servers that a node cannot hear any more, though no connection ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use session_core::{Key, Load, Loaded, Store};
use session_layered::Layered;
use session_redis::{RedisStore, Topology};
use session_testkit::proxy::{Direction, Fault, Proxy};
use session_testkit::sample;
use session_testkit::servers::{Postgres, Redis};

use crate::fixture::{
    D, NAMESPACE, create, eventually, last_local, postgres, record, redis, short_leased,
    until_cached, until_leased,
};

/// How long the node waits for an answer.
const IMPATIENCE: Duration = Duration::from_millis(200);

/// F2: nothing arrives any more, and no connection ends.
#[tokio::test]
async fn a_node_that_hears_nothing_serves_no_longer_than_the_bound() {
    for direction in [Direction::ToClient, Direction::ToServer, Direction::Both] {
        for silent in both().await {
            silent.proxy.set(Fault::Blackhole(direction)).await;
            silent.lets_go(&format!("all cut off, {direction:?}")).await;
        }
    }
}

/// A connection that is open on this side alone is given up, and nothing else tells of it.
#[tokio::test]
async fn a_subscription_that_is_silent_is_replaced() {
    for direction in [Direction::ToClient, Direction::Both] {
        for Silent { server, proxy, node, .. } in &both().await {
            proxy.set_on(&server.listening().await, Fault::Blackhole(direction)).await;
            let (before, begun) = (node.stats().subscriptions, Instant::now());
            eventually("another subscription", async || node.stats().subscriptions > before).await;
            println!("subscription cut off, {direction:?}: another {:?} later", begun.elapsed());
            until_leased(node).await;
        }
    }
}

/// The same of what it listens on alone: its calls are answered, those that send echoes, too.
#[tokio::test]
async fn a_node_that_hears_no_announcements_serves_no_longer_than_the_bound() {
    for direction in [Direction::ToClient, Direction::ToServer, Direction::Both] {
        for silent in both().await {
            silent
                .proxy
                .set_on(&silent.server.listening().await, Fault::Blackhole(direction))
                .await;
            silent.lets_go(&format!("subscription cut off, {direction:?}")).await;
        }
    }
}

/// A node that has cached a session, behind a proxy.
struct Silent {
    server: Server,
    shared: Arc<dyn Store>,
    proxy: Proxy,
    node: Layered,
    key: Key,
}

enum Server {
    Redis(Redis),
    Postgres(Postgres),
}

impl Server {
    /// The connections on which the node listens, as the server sees them.
    async fn listening(&self) -> Vec<SocketAddr> {
        let list = match self {
            Self::Redis(redis) => {
                let clients = redis.query(&["CLIENT", "LIST", "TYPE", "pubsub"]).await;
                let clients: String = clients.unwrap();
                let address = |field| str::strip_prefix(field, "addr=").map(str::to_owned);
                clients.split_whitespace().filter_map(address).collect()
            }
            Self::Postgres(postgres) => {
                let clients = "SELECT host(client_addr) || ':' || client_port \
                               FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
                postgres.query(clients).await.lines().map(str::to_owned).collect::<Vec<_>>()
            }
        };
        list.iter().map(|address| address.parse().unwrap()).collect()
    }
}

/// On each store that tells its changes from a server.
async fn both() -> [Silent; 2] {
    [Silent::over_redis().await, Silent::over_postgres().await]
}

impl Silent {
    async fn over_redis() -> Self {
        let server = Redis::start().await;
        let shared = Arc::new(redis(&server).build().unwrap());
        let proxy = Proxy::start(server.address()).await;
        let topology = Topology::single(&format!("redis://{}", proxy.address())).unwrap();
        let behind = RedisStore::builder(topology).namespace(NAMESPACE).timeout(IMPATIENCE);
        Self::node(Server::Redis(server), shared, proxy, Arc::new(behind.build().unwrap())).await
    }

    async fn over_postgres() -> Self {
        let server = Postgres::start().await;
        let shared = Arc::new(postgres(&server.url(), NAMESPACE).build().unwrap());
        let proxy = Proxy::start(server.address()).await;
        let [own, through] = [server.address(), proxy.address()].map(|it| it.to_string());
        let behind = postgres(&server.url().replace(&own, &through), NAMESPACE).timeout(IMPATIENCE);
        Self::node(Server::Postgres(server), shared, proxy, Arc::new(behind.build().unwrap())).await
    }

    async fn node(
        server: Server,
        shared: Arc<dyn Store>,
        proxy: Proxy,
        behind: Arc<dyn Store>,
    ) -> Self {
        let key = sample::key();
        let revision = create(&*shared, &key, &record()).await;
        let node = short_leased(behind).await;
        until_cached(&node, &key, revision).await;
        Self { server, shared, proxy, node, key }
    }

    /// The session ends elsewhere, while something is wrong with the node's connections.
    async fn lets_go(&self, what: &str) {
        let Self { server: _, shared, proxy, node, key } = self;
        shared.delete(key).await.unwrap();
        let last = last_local(node, key, Instant::now()).await;
        println!("{what}: last served {last:?} after the log-out, D is {D:?}");
        assert!(last <= D, "{last:?}");
        proxy.heal().await;
        eventually("it is refused", async || {
            matches!(node.load(key, Load::default()).await, Ok(Loaded::Absent))
        })
        .await;
        until_leased(node).await;
    }
}

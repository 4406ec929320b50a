//! Several portals with a cache each, on one Redis, each through a proxy of its own.

use std::fmt::Write as _;
use std::net::SocketAddr;

use session_testkit::proxy::Proxy;
use session_testkit::servers::Redis;
use tokio::time::Duration;

use crate::client::Client;
use crate::configured::Configured;

pub(super) struct Site {
    pub(super) redis: Redis,
    pub(super) nodes: Vec<Node>,
}

pub(super) struct Node {
    pub(super) configured: Configured,
    pub(super) proxy: Proxy,
}

/// What the nodes of a site have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings<'a> {
    pub(super) nodes: usize,
    /// How long after a change a cache may answer what was before.
    pub(super) bound: Duration,
    /// How long a call of Redis may take.
    pub(super) timeout: Duration,
    /// Which defence the caches do without.
    pub(super) without: Option<&'a str>,
}

impl Site {
    /// A Redis that keeps what it has acknowledged even if it is killed.
    pub(super) async fn start(settings: Settings<'_>) -> Self {
        let redis = Redis::builder()
            .config("appendonly", "yes")
            .config("appendfsync", "always")
            .start()
            .await;
        let mut nodes = Vec::new();
        for _ in 0..settings.nodes {
            let proxy = Proxy::start(redis.address()).await;
            let place = format!("url = \"redis://{}\"", proxy.address());
            let configured = Configured::start(&config(&place, settings)).await;
            nodes.push(Node { configured, proxy });
        }
        Self { redis, nodes }
    }

    pub(super) fn clients(&self) -> Vec<Client> {
        self.nodes.iter().map(|node| node.configured.portal.client()).collect()
    }

    /// The connections by which nodes listen, as Redis sees them.
    pub(super) async fn subscriptions(&self) -> Vec<SocketAddr> {
        self.connections("pubsub").await
    }

    /// All of their other connections.
    pub(super) async fn command_connections(&self) -> Vec<SocketAddr> {
        self.connections("normal").await
    }

    async fn connections(&self, kind: &str) -> Vec<SocketAddr> {
        let list: String =
            self.redis.query(&["CLIENT", "LIST", "TYPE", kind]).await.expect("a list");
        let address = |line: &str| {
            let mut fields = line.split(' ');
            fields.find_map(|field| field.strip_prefix("addr="))?.parse().ok()
        };
        list.lines().filter_map(address).collect()
    }
}

/// The configuration of a node with its Redis at a place, such as `url = "…"`.
pub(super) fn config(place: &str, settings: Settings<'_>) -> String {
    let Settings { bound, timeout, without, .. } = settings;
    let mut config = format!(
        r#"
[session]
store = "front"
cookie = {{ name = "id", secure = false }}
[stores.redis]
kind = "redis"
{place}
namespace = "portal"
timeout = "{timeout:?}"
[stores.front]
kind = "layered"
shared = "redis"
max_staleness = "{bound:?}"
"#
    );
    if let Some(defence) = without {
        let _ = writeln!(config, "danger_without = [{defence:?}]");
    }
    config
}

//! A Redis Cluster.

use std::fmt;
use std::time::Duration;

use super::builder::RedisBuilder;
use super::nodes::Node;
use super::redis::Redis;
use crate::patience::Patience;

/// How many hash slots every cluster has.
const SLOTS: usize = 16_384;

/// How long the nodes may take to agree on something.
const AGREEMENT: Duration = Duration::from_secs(30);

/// How many keys are moved at once.
const KEYS: &str = "100";

/// A Redis Cluster whose nodes are child processes; see [`Redis`] for what each can do.
///
/// ```no_run
/// # async fn example() {
/// use session_testkit::servers::Cluster;
///
/// let cluster = Cluster::start().await;
/// let (from, to) = (cluster.primary_of(42).await, &cluster.primaries()[2]);
/// cluster.migrate_slot(42, from, to).await;
/// # }
/// ```
#[derive(Debug)]
pub struct Cluster {
    /// Those that were started as primaries come first.
    nodes: Vec<Redis>,
    primaries: usize,
}

impl Cluster {
    /// Starts three primaries with one replica each, and returns when all of them agree that the
    /// cluster is well. That takes more than two seconds, before which no primary serves.
    ///
    /// # Panics
    ///
    /// As [`ClusterBuilder::start`].
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A cluster of another size, or with a configuration of one's own.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder {
            primaries: 3,
            with_replicas: true,
            node: Redis::builder()
                .clustered()
                .config("cluster-node-timeout", 1_500)
                // Replicas are candidates however long they have not heard of their primary.
                .config("cluster-replica-validity-factor", 0)
                .config("cluster-allow-replica-migration", "no"),
        }
    }

    /// Where the nodes listen, as `127.0.0.1:PORT`; those that were started as primaries first.
    pub fn nodes(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.address().to_string()).collect()
    }

    /// The nodes that were started as primaries, whatever they are now. At first, each serves an
    /// equal share of the slots, in order.
    pub fn primaries(&self) -> &[Redis] {
        &self.nodes[..self.primaries]
    }

    /// The nodes that were started as replicas, in the order of the primaries that they follow.
    pub fn replicas(&self) -> &[Redis] {
        &self.nodes[self.primaries..]
    }

    /// The node that serves a slot now, according to the first node that answers.
    ///
    /// # Panics
    ///
    /// If no node answers, or nobody serves it.
    pub async fn primary_of(&self, slot: u16) -> &Redis {
        for node in self.nodes.iter().filter(|node| node.pid().is_some()) {
            let Some(known) = known_to(node).await else { continue };
            let serving = known.iter().find(|known| known.is_primary() && known.serves(slot));
            let serving = serving.and_then(|known| self.on_port(known.port));
            return serving.unwrap_or_else(|| panic!("no node serves slot {slot}: {known:?}"));
        }
        panic!("no node of the cluster answers: {:?}", self.nodes)
    }

    /// Moves a slot and the keys in it, while the cluster is in use.
    ///
    /// # Panics
    ///
    /// If `from` does not serve the slot, or a node does not answer.
    pub async fn migrate_slot(&self, slot: u16, from: &Redis, to: &Redis) {
        let slot = slot.to_string();
        let (from_id, to_id) = (self.node_id(from).await, self.node_id(to).await);
        to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await;
        from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await;
        move_keys(&slot, from, to).await;

        // The new owner first: otherwise nobody is, if it fails before it has heard.
        let command = ["CLUSTER", "SETSLOT", &slot, "NODE", &to_id];
        to.command(&command).await;
        from.command(&command).await;
        for node in
            self.nodes.iter().filter(|node| ![from.port(), to.port()].contains(&node.port()))
        {
            if is_primary(node).await {
                node.command(&command).await;
            }
        }
    }

    /// The name of a node among the others, 40 hexadecimal digits.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    pub async fn node_id(&self, node: &Redis) -> String {
        let command = ["CLUSTER", "MYID"];
        node.query(&command).await.unwrap_or_else(|error| node.fail(command, &error))
    }

    fn on_port(&self, port: u16) -> Option<&Redis> {
        self.nodes.iter().find(|node| node.port() == port)
    }
}

/// Says what a [`Cluster`] consists of, and starts it.
///
/// ```no_run
/// # async fn example() {
/// use session_testkit::servers::Cluster;
///
/// let cluster = Cluster::builder().without_replicas().config("maxmemory", "16mb").start().await;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ClusterBuilder {
    primaries: usize,
    with_replicas: bool,
    node: RedisBuilder,
}

impl ClusterBuilder {
    /// The number of primaries. With fewer than three, none is ever replaced by its replica.
    ///
    /// # Default
    ///
    /// 3.
    #[must_use]
    pub fn primaries(mut self, primaries: usize) -> Self {
        self.primaries = primaries;
        self
    }

    /// Does without replicas, for a test that has no use for them.
    #[must_use]
    pub fn without_replicas(mut self) -> Self {
        self.with_replicas = false;
        self
    }

    /// How long a node may be out of reach until the others hold it to have failed.
    ///
    /// # Default
    ///
    /// 1,500 ms.
    #[must_use]
    pub fn node_timeout(self, timeout: Duration) -> Self {
        self.config("cluster-node-timeout", timeout.as_millis())
    }

    /// Adds a line to the configuration of every node; see [`RedisBuilder::config`]. The nodes
    /// talk to each other without passwords and TLS.
    #[must_use]
    pub fn config(mut self, directive: &str, value: impl fmt::Display) -> Self {
        self.node = self.node.config(directive, value);
        self
    }

    /// Adds a user to every node; see [`RedisBuilder::acl`].
    #[must_use]
    pub fn acl(mut self, line: &str) -> Self {
        self.node = self.node.acl(line);
        self
    }

    /// Starts the cluster, and returns when all nodes agree that it is well.
    ///
    /// # Panics
    ///
    /// If there are no primaries, a node does not start, or they do not agree within 30 seconds.
    pub async fn start(self) -> Cluster {
        assert!(self.primaries > 0, "a cluster has at least one primary");
        let count = if self.with_replicas { 2 * self.primaries } else { self.primaries };
        let nodes = self.node.start_many(count).await;
        let cluster = Cluster { nodes, primaries: self.primaries };
        assign_slots(&cluster).await;
        introduce(&cluster.nodes).await;
        follow(&cluster).await;
        settle(&cluster).await;
        cluster
    }
}

async fn assign_slots(cluster: &Cluster) {
    for (index, node) in cluster.nodes.iter().enumerate() {
        // Left to themselves, nodes find out one by one that they have all begun with the same.
        let epoch = (index + 1).to_string();
        node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
    }
    for (index, primary) in cluster.primaries().iter().enumerate() {
        let bound = |index| index * SLOTS / cluster.primaries;
        let (first, last) = (bound(index).to_string(), (bound(index + 1) - 1).to_string());
        primary.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
    }
}

/// Has each node meet all others: hearsay takes longer.
async fn introduce(nodes: &[Redis]) {
    for (index, node) in nodes.iter().enumerate() {
        for other in &nodes[index + 1..] {
            let port = other.port().to_string();
            let bus = other.bus_port().unwrap_or_default().to_string();
            node.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await;
        }
    }
    poll_all(nodes, "to know the others", |known| known.iter().all(Node::is_up)).await;
}

async fn follow(cluster: &Cluster) {
    for (primary, replica) in cluster.primaries().iter().zip(cluster.replicas()) {
        let id = cluster.node_id(primary).await;
        replica.command(&["CLUSTER", "REPLICATE", &id]).await;
    }
}

async fn settle(cluster: &Cluster) {
    let replicas = cluster.replicas().len();
    poll_all(&cluster.nodes, "to agree on who does what", |known| {
        known.iter().all(Node::is_up)
            && known.iter().map(Node::slot_count).sum::<usize>() == SLOTS
            && known.iter().filter(|node| node.is_replica()).count() == replicas
    })
    .await;
    for replica in cluster.replicas() {
        poll(replica, "to follow its primary", async |replica: &Redis| {
            replica
                .poll(&["INFO", "replication"])
                .await
                .is_ok_and(|text: String| text.contains("master_link_status:up"))
        })
        .await;
    }
    for node in &cluster.nodes {
        poll(node, "to find the cluster well", async |node: &Redis| {
            let info = node.poll(&["CLUSTER", "INFO"]).await;
            info.is_ok_and(|text: String| text.contains("cluster_state:ok"))
        })
        .await;
    }
}

/// Waits until `is_right` is said of what each node knows of all of them.
async fn poll_all(nodes: &[Redis], what: &str, is_right: impl Fn(&[Node]) -> bool + Sync) {
    for node in nodes {
        poll(node, what, async |node: &Redis| {
            let known = known_to(node).await;
            known.is_some_and(|known| known.len() == nodes.len() && is_right(&known))
        })
        .await;
    }
}

async fn poll(node: &Redis, what: &str, is_right: impl AsyncFn(&Redis) -> bool) {
    let patience = Patience::new(AGREEMENT);
    while !is_right(node).await {
        patience.wait_for(node.report(format!("a node {what}"))).await;
    }
}

async fn known_to(node: &Redis) -> Option<Vec<Node>> {
    let text: String = node.poll(&["CLUSTER", "NODES"]).await.ok()?;
    Node::parse_all(&text)
}

/// Whether a node runs, and is a primary. One that is paused is neither.
async fn is_primary(node: &Redis) -> bool {
    let role = node.poll(&["INFO", "replication"]).await;
    role.is_ok_and(|text: String| text.contains("role:master"))
}

async fn move_keys(slot: &str, from: &Redis, to: &Redis) {
    let port = to.port().to_string();
    loop {
        let command = ["CLUSTER", "GETKEYSINSLOT", slot, KEYS];
        let keys: Vec<Vec<u8>> =
            from.query(&command).await.unwrap_or_else(|error| from.fail(command, &error));
        if keys.is_empty() {
            return;
        }
        let mut command = redis::cmd("MIGRATE");
        command.arg("127.0.0.1").arg(&port).arg("").arg(0).arg(10_000).arg("KEYS").arg(keys);
        // NOKEY is fine: what has gone meanwhile need not be moved.
        let moved: redis::RedisResult<String> =
            command.query_async(&mut from.connection().await).await;
        moved.unwrap_or_else(|error| from.fail("MIGRATE", &error));
    }
}

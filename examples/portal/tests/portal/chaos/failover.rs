//! Another Redis takes over, which may lack what the old one has acknowledged.

use std::collections::HashSet;
use std::fmt;

use fastrand::Rng;
use session_testkit::servers::{Redis, Sentinel};
use tokio::time::{Duration, Instant, sleep};

use super::BOUND;
use super::checker::Violation;
use super::history::{Operation, Session, Source};
use super::run::{Tracked, seed};
use super::site::{Settings, config};
use crate::configured::Configured;
use crate::patience::until;

const NODES: usize = 3;

/// Room for a replica to confirm what has to be confirmed.
const TIMEOUT: Duration = Duration::from_millis(400);

/// What else happens to a node while the old master does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Besides {
    Nothing,
    /// It does not run either, and goes on together with the old master, so that neither of the
    /// two has heard of the switch.
    NodeStopped,
}

/// Log-ins, rotations and log-outs are acknowledged only once a replica has them.
fn place(sentinel: &Sentinel) -> String {
    let (nodes, master) = (sentinel.nodes(), sentinel.master());
    format!(
        "sentinel = {{ nodes = {nodes:?}, master = {master:?} }}\n\
         wait = {{ replicas = 1, timeout = \"100ms\" }}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bound_holds_across_failovers() {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let sentinel = Sentinel::builder()
        .replicas(2)
        .down_after(Duration::from_millis(500))
        .config("min-replicas-to-write", 1)
        .start()
        .await;
    let settings = Settings { nodes: NODES, bound: BOUND, timeout: TIMEOUT, without: None };
    let config = config(&place(&sentinel), settings);
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(Configured::start(&config).await);
    }
    let clients = nodes.iter().map(|node| node.portal.client()).collect();
    let mut tracked = Tracked::start(clients, BOUND, seed).await;
    for besides in [Besides::Nothing, Besides::NodeStopped, Besides::Nothing] {
        let (begun, node) = (Instant::now(), rng.usize(..NODES));
        let after = Duration::from_millis(rng.u64(0..1_000));
        fail_over(&sentinel, &nodes[node], besides, after).await;
        tracked.recovered(format!("failover, {besides}"), begun).await;
    }
    let run = tracked.stop().await;
    let mut broken = run.violations("across failovers");
    let lost = lost_by_redis(&broken);
    let lost = broken.extract_if(.., |violation| lost.contains(&promised(violation))).count();
    println!("{lost} of these answers are due to writes that Redis itself has lost");
    assert!(broken.is_empty(), "{} violations: {}", broken.len(), broken[0]);
}

/// The master hangs until another one has been named, and for a while after that.
async fn fail_over(sentinel: &Sentinel, node: &Configured, besides: Besides, after: Duration) {
    let old = sentinel.current_primary_port().await;
    if besides == Besides::NodeStopped {
        node.portal.signal("STOP").await;
    }
    sentinel.redis(old).pause();
    until("a failover", async || sentinel.current_primary_port().await != old).await;
    sleep(after).await;
    sentinel.redis(old).resume();
    if besides == Besides::NodeStopped {
        node.portal.signal("CONT").await;
    }
    until("the old master follows the new one", async || follows(sentinel.redis(old)).await).await;
}

async fn follows(redis: &Redis) -> bool {
    // Sentinels that reconfigure a server close all connections to it.
    let info = redis.query::<String>(&["INFO", "replication"]).await.unwrap_or_default();
    info.contains("role:slave") && info.contains("master_link_status:up")
}

/// Writes that were not waited for, and that the shared store itself knew nothing of afterwards.
fn lost_by_redis(violations: &[Violation]) -> HashSet<(Session, Instant)> {
    let is_lost = |violation: &&Violation| {
        let is_shared = violation.contradicted.source == Source::Shared;
        violation.promised.operation == Operation::Write && is_shared
    };
    violations.iter().filter(is_lost).map(promised).collect()
}

fn promised(violation: &Violation) -> (Session, Instant) {
    (violation.promised.session, violation.promised.begun)
}

impl fmt::Display for Besides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing besides",
            Self::NodeStopped => "node stopped",
        })
    }
}

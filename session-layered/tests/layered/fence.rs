//! How long a fence takes, and what it is worth.

use std::sync::Arc;
use std::time::{Duration, Instant};

use session_core::{Key, Source, Store};
use session_layered::Layered;
use session_memory::MemoryStore;
use session_redis::{RedisStore, Topology};
use session_testkit::proxy::{Direction, Fault, Proxy};
use session_testkit::sample;
use session_testkit::servers::{Cluster, Redis};

use crate::fixture::{
    D, NAMESPACE, SOON, TIMEOUT, create, eventually, layered, leased, read, record, redis,
    short_leased, until_cached, until_leased,
};

/// So long that no fence can be taken for one that waits for it.
const LONG: Duration = Duration::from_secs(10);
/// So long that a busy machine does not lose the lease before the fence begins.
const BOUND: Duration = Duration::from_secs(2);

/// How long a node waits for an answer that will not come.
const IMPATIENCE: Duration = Duration::from_secs(1);

async fn fence(node: &Layered) -> Duration {
    let begun = Instant::now();
    node.fence().await.unwrap();
    begun.elapsed()
}

/// Nodes that know each other for long enough.
async fn nodes<const N: usize>(shared: [Arc<dyn Store>; N]) -> [Layered; N] {
    let nodes = shared.map(|shared| layered(shared).max_staleness(LONG).build().unwrap());
    for node in &nodes {
        until_leased(node).await;
    }
    let took = fence(&nodes[0]).await;
    println!("the first fence of a node: {took:?}");
    assert!(took >= LONG, "nobody knows yet who has a lease");
    nodes
}

/// What one node ends, none of the others serves after a fence.
async fn nobody_serves_what_was_ended<const N: usize>(nodes: [Layered; N]) {
    let (one, others) = nodes.split_first().unwrap();
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let keys: [Key; 10] = std::array::from_fn(|_| sample::key());
        for key in &keys {
            let revision = create(one, key, &record()).await;
            for other in others {
                until_cached(other, key, revision).await;
            }
        }
        for key in &keys {
            one.delete(key).await.unwrap();
        }
        slowest = slowest.max(fence(one).await);
        for (other, key) in others.iter().flat_map(|other| keys.iter().map(move |it| (other, it))) {
            assert_eq!(read(other, key).await, None);
        }
    }
    println!("the slowest of 20 fences of {N} nodes: {slowest:?}");
    assert!(slowest < SOON, "{slowest:?}");
}

#[tokio::test]
async fn a_fence_over_memory_returns_when_every_node_has_confirmed() {
    let shared: Arc<dyn Store> = Arc::new(MemoryStore::new());
    nobody_serves_what_was_ended(nodes([0; 2].map(|_| Arc::clone(&shared))).await).await;
}

#[tokio::test]
async fn a_fence_over_a_server_returns_when_every_node_has_confirmed() {
    let server = Redis::start().await;
    let shared = [0; 2].map(|_| Arc::new(redis(&server).build().unwrap()) as Arc<dyn Store>);
    nobody_serves_what_was_ended(nodes(shared).await).await;
}

#[tokio::test]
async fn a_fence_over_a_cluster_asks_on_every_lane() {
    let cluster = Cluster::builder().without_replicas().start().await;
    let shared = [0; 3].map(|_| Arc::new(redis(&cluster).build().unwrap()) as Arc<dyn Store>);
    let nodes = nodes(shared).await;
    nobody_serves_what_was_ended(nodes).await;
}

/// Everything takes that much longer to reach a node; it is waited for, and for no longer.
#[tokio::test]
async fn a_fence_waits_for_a_node_that_hears_late() {
    let server = Redis::start().await;
    let proxy = Proxy::start(server.address()).await;
    let shared = [redis(&server).build().unwrap(), behind(&proxy, TIMEOUT)];
    let [one, slow] = nodes(shared.map(|shared| Arc::new(shared) as Arc<dyn Store>)).await;
    let key = sample::key();
    let revision = create(&one, &key, &record()).await;
    until_cached(&slow, &key, revision).await;

    let late = Duration::from_millis(300);
    proxy.set(Fault::Delay(late)).await;
    one.delete(&key).await.unwrap();
    let cached = Some((revision, Source::Local));
    assert_eq!(read(&slow, &key).await, cached, "it has not heard of it");
    let took = fence(&one).await;
    println!("a fence with a node that hears everything {late:?} late: {took:?}");
    assert!((late..LONG / 2).contains(&took), "{took:?}");
    let before = slow.stats().hits;
    assert_eq!(read(&slow, &key).await, None);
    assert_eq!(slow.stats().hits, before);
}

#[tokio::test]
async fn a_node_that_is_cut_off_makes_a_fence_last_as_long_as_its_lease_may() {
    let server = Redis::start().await;
    let proxy = Proxy::start(server.address()).await;
    let one = layered(Arc::new(redis(&server).build().unwrap())).max_staleness(BOUND);
    let one = leased(one).await;
    let cut_off = layered(Arc::new(behind(&proxy, IMPATIENCE))).max_staleness(BOUND);
    let cut_off = leased(cut_off).await;
    until_quick(&one).await;
    let key = sample::key();
    let revision = create(&one, &key, &record()).await;
    until_cached(&cut_off, &key, revision).await;

    proxy.set(Fault::Blackhole(Direction::Both)).await;
    one.delete(&key).await.unwrap();
    let (begun, left) = (Instant::now(), cut_off.stats().lease_left);
    let took = fence(&one).await;
    println!("a fence with a node that is cut off, whose lease had {left:?} left: {took:?}");
    assert!(!left.is_zero() && begun.elapsed() >= left, "it did not wait for the lease's end");
    assert!(took < BOUND + SOON, "{took:?}");
    let before = cut_off.stats().hits;
    cut_off.load(&key, session_core::Load::default()).await.unwrap_err();
    assert_eq!(cut_off.stats().hits, before, "its lease is over");
    // Its heartbeats are old now.
    let took = until_quick(&one).await;
    println!("and the next quick one {took:?} later");
}

#[tokio::test]
async fn a_node_that_has_ended_is_waited_for_no_longer_than_its_lease() {
    let server = Redis::start().await;
    let shared = [0; 2].map(|_| Arc::new(redis(&server).build().unwrap()));
    let [one, other] = shared.map(|shared| layered(shared).max_staleness(BOUND));
    let (one, other) = (leased(one).await, leased(other).await);
    until_quick(&one).await;
    drop(other);
    let took = fence(&one).await;
    println!("a fence just after a node has ended: {took:?}, the bound is {BOUND:?}");
    assert!(took < BOUND + SOON, "{took:?}");
    until_quick(&one).await;
}

#[tokio::test]
async fn who_hears_nothing_waits_for_as_long_as_a_lease_may_last() {
    let server = Redis::start().await;
    let proxy = Proxy::start(server.address()).await;
    let one = short_leased(Arc::new(behind(&proxy, IMPATIENCE))).await;
    until_quick(&one).await;
    for direction in [Direction::ToClient, Direction::Both] {
        proxy.set(Fault::Blackhole(direction)).await;
        let took = fence(&one).await;
        assert!((D..D + SOON).contains(&took), "{took:?}");
    }
}

/// Where heartbeats are lost nobody knows who has a lease.
#[tokio::test]
async fn a_fence_after_heartbeats_were_lost_waits() {
    let server = Redis::start().await;
    let shared = || Arc::new(redis(&server).build().unwrap());
    let (one, _other) = (short_leased(shared()).await, short_leased(shared()).await);
    let heartbeats = format!("{NAMESPACE}:{{0000}}:nodes");
    for command in [["FLUSHALL", "SYNC"], ["DEL", &heartbeats]] {
        until_quick(&one).await;
        server.command(&command).await;
        let took = fence(&one).await;
        assert!(took >= D, "{command:?}: {took:?}");
    }
}

fn behind(proxy: &Proxy, timeout: Duration) -> RedisStore {
    let topology = Topology::single(&format!("redis://{}", proxy.address())).unwrap();
    RedisStore::builder(topology).namespace(NAMESPACE).timeout(timeout).build().unwrap()
}

/// Returns when a fence does not wait for any lease to end, and how long that took.
async fn until_quick(node: &Layered) -> Duration {
    eventually("a quick fence", async || fence(node).await < D / 2).await
}

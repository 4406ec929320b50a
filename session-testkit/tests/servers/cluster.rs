//! A cluster, and a slot on its way through it.

use std::time::{Duration, Instant};

use redis::RedisResult;
use session_testkit::servers::{Cluster, Redis};

#[tokio::test]
async fn slots_move_with_their_keys() {
    let cluster = Cluster::start().await;
    assert_eq!(cluster.nodes().len(), 6);
    assert_eq!((cluster.primaries().len(), cluster.replicas().len()), (3, 3));

    // CRC16 of `foo`, modulo 16384: see the cluster specification.
    let slot = 12182;
    let (from, to) = (&cluster.primaries()[2], &cluster.primaries()[0]);
    assert_eq!(cluster.primary_of(slot).await.port(), from.port());
    for index in 0..250 {
        from.command(&["SET", &format!("{{foo}}{index}"), "bar"]).await;
    }

    cluster.migrate_slot(slot, from, to).await;
    assert_eq!(cluster.primary_of(slot).await.port(), to.port());
    assert_eq!(get(to, "{foo}249").await.unwrap(), "bar");
    for other in [from, &cluster.primaries()[1]] {
        assert_eq!(get(other, "{foo}0").await.unwrap_err().code(), Some("MOVED"));
    }
}

#[tokio::test]
async fn a_cluster_need_not_have_replicas() {
    let cluster = Cluster::builder().primaries(1).without_replicas().start().await;
    assert!(cluster.replicas().is_empty());
    let node = cluster.primary_of(0).await;
    assert_eq!(cluster.node_id(node).await.len(), 40);
    node.command(&["SET", "key", "value"]).await;
}

async fn get(node: &Redis, key: &str) -> RedisResult<String> {
    node.query(&["GET", key]).await
}

#[tokio::test]
async fn a_replica_takes_over_from_a_primary_that_hangs() {
    let cluster = Cluster::builder().node_timeout(Duration::from_millis(1_000)).start().await;
    let (primary, replica) = (&cluster.primaries()[0], &cluster.replicas()[0]);
    primary.pause();
    let deadline = Instant::now() + Duration::from_secs(30);
    let is_replaced = async || replica.info("replication").await["role"] == "master";
    while !is_replaced().await {
        assert!(Instant::now() < deadline, "{}", replica.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    primary.resume();
    while primary.info("replication").await["role"] != "slave" {
        assert!(Instant::now() < deadline, "{}", primary.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(cluster.primary_of(0).await.port(), replica.port());
}

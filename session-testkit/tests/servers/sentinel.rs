//! Sentinel, and primaries that change.

use std::time::{Duration, Instant};

use session_testkit::servers::Sentinel;

#[tokio::test]
async fn a_replica_takes_over_and_knows_what_was_written() {
    let sentinel = Sentinel::start().await;
    assert_eq!((sentinel.nodes().len(), sentinel.master()), (3, "main"));
    let primary = sentinel.primary();
    assert_eq!(sentinel.current_primary_port().await, primary.port());
    primary.command(&["SET", "key", "value"]).await;
    primary.command(&["WAIT", "1", "5000"]).await;

    let port = sentinel.fail_over().await;
    assert_eq!(port, sentinel.replicas()[0].port());
    let promoted = sentinel.redis(port);
    assert_eq!(promoted.query::<String>(&["GET", "key"]).await.unwrap(), "value");
    promoted.command(&["SET", "key", "other"]).await;
}

#[tokio::test]
async fn a_replica_takes_over_from_a_primary_that_is_killed() {
    let sentinel =
        Sentinel::builder().replicas(2).down_after(Duration::from_millis(500)).start().await;
    let primary = sentinel.primary();
    primary.kill();
    let deadline = Instant::now() + Duration::from_secs(30);
    let is_replaced = async || sentinel.current_primary_port().await != primary.port();
    while !is_replaced().await {
        assert!(Instant::now() < deadline, "{}", sentinel.sentinels()[0].log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let port = sentinel.current_primary_port().await;
    assert!(sentinel.replicas().iter().any(|replica| replica.port() == port));

    // The old one is told when it is back, and cuts its connections then.
    primary.restart().await;
    let is_replica = async || {
        let text = primary.query::<String>(&["INFO", "replication"]).await;
        text.is_ok_and(|text| text.contains("role:slave"))
    };
    while !is_replica().await {
        assert!(Instant::now() < deadline, "{}", primary.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

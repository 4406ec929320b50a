//! Redis is killed amid writes, and started again.

use session_testkit::servers::Redis;
use tokio::time::Instant;

use super::config_for;
use super::load::{Load, Seen, statuses};
use crate::configured::{Configured, RECOVERY, expect_outage, until_ready};

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_write_is_lost() {
    let redis =
        Redis::builder().config("appendonly", "yes").config("appendfsync", "always").start().await;
    let configured = Configured::start(&config_for(&redis)).await;
    let portal = &configured.portal;
    let mut bystander = portal.signed_in("bystander").await;
    let load = Load::start(portal, 8).await;

    redis.kill();
    let killed = Instant::now();
    load.until_each("everybody is refused", |history| {
        history.iter().rev().take(3).all(|seen| !seen.is_counted())
    })
    .await;
    expect_outage(bystander.get("/api/me").await);
    expect_outage(bystander.post("/api/logout").await);
    expect_outage(portal.client().get("/readyz").await);

    // It answers others before it has answered the test.
    let started = Instant::now();
    redis.restart().await;
    let back = Instant::now();
    let recovery = load.until_recovered(back, RECOVERY).await;
    let ready = until_ready(portal, RECOVERY).await;
    let seen = load.stop().await;
    bystander.get("/api/me").await.expect(200);
    bystander.post("/api/logout").await.expect(204);

    let is_down = |seen: &Seen| seen.begun > killed && seen.ended() < started;
    let down: Vec<_> = seen.iter().copied().filter(is_down).collect();
    assert!(!down.is_empty(), "nobody asked while it was down");
    assert!(down.iter().all(|seen| !seen.is_counted()), "nobody counts without a server");
    println!(
        "all: {:?}; down for {:?}: {:?}; recovered {recovery:?}, ready {ready:?} after that",
        statuses(&seen),
        started - killed,
        statuses(&down),
    );
}

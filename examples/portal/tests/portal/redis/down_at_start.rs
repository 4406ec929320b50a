//! A portal that is started before its store.

use serde_json::json;
use session_testkit::servers::Redis;

use super::config_for;
use crate::client::Client;
use crate::configured::{Configured, RECOVERY, expect_outage, until_ready};

#[tokio::test]
async fn it_serves_and_recovers_by_itself() {
    let (_redis, _configured, mut client) = started_before(config_for).await;
    client.get("/api/me").await.expect(200);
}

/// A portal that was started before its store, which is there now, and somebody who is signed in.
pub(crate) async fn started_before(
    config: impl Fn(&Redis) -> String,
) -> (Redis, Configured, Client) {
    let redis =
        Redis::builder().config("appendonly", "yes").config("appendfsync", "always").start().await;
    // Somebody signs in on another day.
    let earlier = Configured::start(&config(&redis)).await;
    let cookie = earlier.portal.signed_in("u1002").await.cookie().expect("a cookie").to_owned();
    drop(earlier);
    redis.kill();

    let configured = Configured::start(&config(&redis)).await;
    let portal = &configured.portal;
    let mut client = portal.client();
    client.get("/healthz").await.expect(200);
    client.get("/api/plain").await.expect(200);
    client.get("/metrics").await.expect(200);
    let answer = expect_outage(client.get("/readyz").await);
    assert!(answer.text().contains("cannot be reached"), "{answer}");
    assert!(!answer.text().contains(&redis.port().to_string()), "{answer}");

    let mut known = portal.client();
    known.set_cookie(&cookie);
    let credentials = json!({ "user": "u1001", "password": "demo" });
    for client in [&mut client, &mut known] {
        expect_outage(client.post_json("/api/login", &credentials).await);
        expect_outage(client.post("/api/counter").await);
        expect_outage(client.post("/api/counter/now").await);
    }
    expect_outage(known.get("/api/me").await);
    expect_outage(known.post("/api/logout").await);
    expect_outage(known.get("/api/me?consistency=strong").await);

    redis.restart().await;
    let took = until_ready(portal, RECOVERY).await;
    println!("ready {took:?} after Redis was");
    client.log_in("u1001").await;
    known.get("/api/me").await.expect(200).expect_no_cookie();
    (redis, configured, client)
}

#[tokio::test]
async fn it_stops_when_told_to_although_the_store_is_down() {
    let redis = Redis::start().await;
    let configured = Configured::start(&config_for(&redis)).await;
    let mut client = configured.portal.signed_in("u1001").await;
    client.get("/api/me").await.expect(200);
    redis.kill();
    expect_outage(client.post("/api/counter").await);
    let (status, _) = configured.portal.stopped().await;
    assert_eq!(status.code(), Some(0));

    let never = Configured::start(&config_for(&redis)).await;
    expect_outage(never.portal.client().get("/readyz").await);
    let (status, _) = never.portal.stopped().await;
    assert_eq!(status.code(), Some(0));
}

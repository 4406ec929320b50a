//! Redis does not answer any more, and the caches do: for how long, and what.

use session_testkit::servers::Redis;
use tokio::time::{Duration, Instant};

use super::{D, cached_config_for, source, until_local};
use crate::client::Client;
use crate::configured::{Configured, RECOVERY, expect_outage, until_ready};
use crate::nodes::same_person;
use crate::patience::{until, until_within};
use crate::redis::in_a_hurry;

/// Every lease has run out by then, and the first attempts to subscribe again have failed.
const AWAY: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn with_stale_if_error_what_is_cached_stays_there() {
    let redis = Redis::start().await;
    let config = in_a_hurry(&cached_config_for(&redis));
    let stale = [("SESSION__STORES__FRONT__STALE_IF_ERROR", "1m")];
    let configured = Configured::start_with(&config, &stale).await;
    let portal = &configured.portal;
    let mut cached = portal.signed_in("cached").await;
    let mut leaver = portal.signed_in("leaver").await;
    let mut uncached = signed_in_elsewhere(&config, &configured).await;
    until_local(&mut cached).await;
    until_local(&mut leaver).await;

    redis.pause();
    let paused = Instant::now();
    let mut is_gone = false;
    until("Redis was away for long enough", async || {
        expect_cached(&mut cached).await;
        expect_outage(uncached.get("/api/me").await);
        expect_outage(cached.post("/api/counter").await);
        if is_gone {
            // Nobody knows whether the session is dead; this node does not say that it lives.
            expect_outage(leaver.get("/api/me").await);
        } else {
            expect_cached(&mut leaver).await;
            if paused.elapsed() > AWAY / 2 {
                expect_outage(leaver.post("/api/logout").await);
                is_gone = true;
            }
        }
        paused.elapsed() > AWAY
    })
    .await;
    expect_outage(portal.client().get("/readyz").await);

    redis.resume();
    until_ready(portal, RECOVERY).await;
    for client in [&mut cached, &mut uncached] {
        until_found(client).await;
        until_local(client).await;
    }
    // The log-out may have been on its way.
    let left = leaver.get("/api/me").await;
    assert!([200, 401].contains(&left.status), "{left}");
    leaver.post("/api/logout").await.expect(204);
    leaver.get("/api/me").await.expect_error(401, "no_session");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_it_the_cache_answers_for_as_long_as_the_bound_allows() {
    let redis = Redis::start().await;
    let config = in_a_hurry(&cached_config_for(&redis));
    let configured = Configured::start(&config).await;
    let portal = &configured.portal;
    let mut cached = portal.signed_in("cached").await;
    until_local(&mut cached).await;

    redis.pause();
    let paused = Instant::now();
    let mut last = None;
    until("Redis was away for long enough", async || {
        let asked = paused.elapsed();
        let answer = cached.get("/api/me").await;
        if answer.status == 200 {
            assert_eq!(source(&answer), "local", "{answer}");
            assert!(asked <= D, "answered {asked:?} after Redis was last heard of");
            last = Some(asked);
        } else {
            expect_outage(answer);
        }
        asked > AWAY
    })
    .await;
    let last = last.expect("a cached session, although Redis is away");
    println!("the last that was answered from the cache was asked {last:?} after Redis went away");

    redis.resume();
    until_ready(portal, RECOVERY).await;
    until_found(&mut cached).await;
    until_local(&mut cached).await;
}

#[tokio::test]
async fn a_log_out_during_an_outage_is_made_up_for() {
    let redis =
        Redis::builder().config("appendonly", "yes").config("appendfsync", "always").start().await;
    let config = cached_config_for(&redis);
    let stale = [("SESSION__STORES__FRONT__STALE_IF_ERROR", "1m")];
    let configured = Configured::start_with(&config, &stale).await;
    let portal = &configured.portal;
    let mut leaver = portal.signed_in("leaver").await;
    until_local(&mut leaver).await;

    redis.kill();
    expect_cached(&mut leaver).await;
    expect_outage(leaver.post("/api/logout").await);
    expect_outage(leaver.get("/api/me").await);

    // Redis has heard nothing of it, which is why it was not acknowledged.
    redis.restart().await;
    until_ready(portal, RECOVERY).await;
    leaver.get("/api/me").await.expect(200).expect_no_cookie();
    leaver.post("/api/logout").await.expect(204);
    leaver.get("/api/me").await.expect_error(401, "no_session");
}

/// Sessions are found again, soon.
async fn until_found(client: &mut Client) {
    until_within(RECOVERY, "a session is found", async || {
        let answer = client.get("/api/me").await;
        answer.status == 200 || expect_outage(answer).status == 200
    })
    .await;
}

async fn expect_cached(client: &mut Client) {
    let answer = client.get("/api/me").await.expect(200).expect_no_cookie();
    assert_eq!(source(&answer), "local", "{answer}");
}

/// Somebody whom this portal does not know yet.
async fn signed_in_elsewhere(config: &str, here: &Configured) -> Client {
    let elsewhere = Configured::start(config).await;
    same_person(&elsewhere.portal.signed_in("uncached").await, here)
}

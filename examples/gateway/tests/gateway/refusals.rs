//! Who is not let through.

use std::sync::Arc;
use std::time::Duration;

use session_kit::{
    Clock as _, Error, RedisStore, SessionCookie, Sessions, Subject, SystemClock, Timestamp,
    Topology,
};
use session_testkit::ManualClock;
use session_testkit::servers::Redis;
use tokio::time::Instant;

use crate::client::Client;
use crate::patience::until;
use crate::site::{PLAIN, Site, cached, with};

/// `max_staleness`, unless a configuration says anything else, and what a busy machine may add.
const BOUND: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_millis(500);

#[tokio::test]
async fn nobody_is_let_through_without_a_session() {
    let site = Site::start(PLAIN).await;
    let mut client = site.client();
    client.get("/service/api/x").await.expect(401);
    client.post("/service/payments/x", "much").await.expect(401);
    let page = client.get("/service/x").await.expect(303).expect_uncached();
    assert_eq!(page.header("location"), ["/"], "{page}");
    // An anonymous visitor's session is nobody's either.
    client.set_cookie("id=no-token");
    client.get("/service/x").await.expect(303).expect_cleared();
    client.set_cookie("id=no-token");
    client.get("/service/api/x").await.expect(401).expect_uncached().expect_cleared();

    // What is asked behind the scenes is nobody else's to ask.
    let mut somebody = site.signed_in("u1001").await;
    for path in ["/_session/any", "/_session/recent", "/_session/"] {
        somebody.get(path).await.expect(404);
    }
    assert_eq!(site.service.asked(), 0);
}

#[tokio::test]
async fn who_signs_out_is_refused_at_once() {
    let site = Site::start(PLAIN).await;
    for round in 0..20 {
        let mut client = site.signed_in(&format!("u{round}")).await;
        let mut same = client.clone();
        same.get("/service/api/x").await.expect(200);
        client.post("/log-out", "").await.expect(204).expect_cleared();
        client.get("/service/api/x").await.expect(401);
        same.get("/service/api/x").await.expect(401).expect_cleared();
    }
    assert_eq!(site.service.asked(), 20);
}

#[tokio::test]
async fn who_is_revoked_on_another_node_is_refused_within_the_bound() {
    let site = Site::start(&cached()).await;
    for round in 0..10 {
        let user = format!("u{round}");
        let mut client = site.signed_in(&user).await;
        client.get("/service/api/x").await.expect(200);
        let revoked = site.sessions.revoke_all(&Subject::new(&user).unwrap()).await;
        let acknowledged = Instant::now();
        assert_eq!(revoked.unwrap(), 1);
        until("the session is refused", async || {
            let asked = acknowledged.elapsed();
            let answer = client.get("/service/api/x").await;
            assert!(answer.status == 401 || asked <= BOUND, "{asked:?} later, {answer}");
            answer.status == 401
        })
        .await;
        assert!(acknowledged.elapsed() < BOUND + SLACK);
    }
}

#[tokio::test]
async fn a_strong_answer_is_from_no_cache() {
    // A node whose changes no cache hears of.
    let silent = with(PLAIN, "namespace = \"gateway\"", "announcements = false");
    let site = Site::start_on(Redis::start().await, &cached(), &silent).await;
    let user = Subject::new("u1001").unwrap();
    let mut client = site.signed_in(user.as_str()).await;
    until("the session is cached", async || {
        client.get("/service/api/x").await.expect(200);
        is_cached(&site, &mut client).await
    })
    .await;
    client.get("/service/payments/x").await.expect(200);
    site.sessions.revoke_all(&user).await.unwrap();
    client.clone().get("/service/payments/x").await.expect(401).expect_cleared();
}

/// Whether the gateway answers without asking Redis.
async fn is_cached(site: &Site, client: &mut Client) -> bool {
    let reads = async || {
        let stats = site.redis.info("commandstats").await;
        stats.get("cmdstat_get").cloned()
    };
    let before = reads().await;
    client.get("/service/api/x").await.expect(200);
    reads().await == before
}

#[tokio::test]
async fn a_log_in_of_long_ago_does_not_do_for_everything() {
    let site = Site::start(PLAIN).await;
    let mut client = site.client();
    client.set_cookie(&signed_in_at(&site, SystemClock.now().minus(MAX_AGE * 2)).await.unwrap());
    client.get("/service/api/x").await.expect(200);
    client.get("/service/x").await.expect(200);
    client.get("/service/payments/x").await.expect(403);
    assert_eq!(site.service.asked(), 2);

    let old = client.cookie().map(str::to_owned);
    client.log_in("u1001").await;
    assert_ne!(client.cookie(), old.as_deref());
    client.get("/service/payments/x").await.expect(200);
    client.set_cookie(&old.unwrap());
    client.get("/service/api/x").await.expect(401);
}

/// That of `nginx.conf`.
const MAX_AGE: Duration = Duration::from_secs(300);

/// The cookie of somebody who signed in then.
async fn signed_in_at(site: &Site, then: Timestamp) -> Result<String, Error> {
    let redis = Topology::single(&site.redis.url())?;
    let store = RedisStore::builder(redis).namespace("gateway").build()?;
    let sessions = Sessions::builder(store)
        .cookie(SessionCookie::new("id").danger_send_without_tls())
        .clock(Arc::new(ManualClock::new(then)))
        .build()?;
    let lazy = sessions.open([]);
    lazy.load().await?.log_in(Subject::new("u1001")?);
    let finished = lazy.finish(false).await;
    let set = finished.header.expect("a cookie");
    Ok(set.split(';').next().unwrap_or_default().to_owned())
}

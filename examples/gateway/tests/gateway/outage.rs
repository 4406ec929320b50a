//! Nobody can tell who it is: 503, and for nobody a log-in page.

use session_testkit::servers::Redis;

use crate::patience::until;
use crate::process::Gateway;
use crate::site::{PLAIN, Site, cached, in_a_hurry};

#[tokio::test]
async fn while_redis_is_away_nobody_is_signed_out() {
    let redis =
        Redis::builder().config("appendonly", "yes").config("appendfsync", "always").start().await;
    let site = Site::start_on(redis, PLAIN, PLAIN).await;
    let mut client = site.signed_in("u1001").await;
    client.get("/service/api/x").await.expect(200);

    site.redis.kill();
    let asked = site.service.asked();
    for path in ["/service/api/x", "/service/x", "/service/payments/x"] {
        client.get(path).await.expect_outage();
    }
    client.post("/service/api/x", "a body").await.expect_outage();
    site.gateway.client().get("/readyz").await.expect_outage();
    site.gateway.client().get("/healthz").await.expect(200);
    // Who brings nothing is nobody, whatever the store would say.
    site.client().get("/service/api/x").await.expect(401);
    assert_eq!(site.service.asked(), asked);

    site.redis.restart().await;
    until("sessions are there again", async || {
        let answer = client.get("/service/api/x").await;
        answer.status == 200 || answer.expect_outage().status == 200
    })
    .await;
    client.get("/service/x").await.expect(200);
    site.gateway.client().get("/readyz").await.expect(200);
}

#[tokio::test]
async fn with_a_cache_it_is_the_same_once_the_bound_is_over() {
    let site = Site::start(&in_a_hurry(&cached())).await;
    let mut client = site.signed_in("u1001").await;
    client.get("/service/api/x").await.expect(200);
    site.redis.pause();
    until("nothing is served any more", async || {
        let answer = client.get("/service/api/x").await;
        answer.status != 200 && answer.expect_outage().status == 503
    })
    .await;
    client.get("/service/x").await.expect_outage();
    site.redis.resume();
    until("sessions are there again", async || {
        let answer = client.get("/service/api/x").await;
        answer.status == 200 || answer.expect_outage().status == 200
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_is_gone_lets_nobody_through() {
    let site = Site::start(PLAIN).await;
    let mut client = site.signed_in("u1001").await;
    // What the service makes of it is its own business.
    let broken = client.get("/service/api/broken").await.expect(500);
    assert_eq!(broken.given("x-session-user"), ["u1001"]);

    let Site { gateway, port, proxy, service, redis, sessions, sign_in } = site;
    let (asked, address) = (service.asked(), port.address().to_string());
    assert_eq!(gateway.stopped().await.code(), Some(0));
    for path in ["/service/api/x", "/service/x", "/service/payments/x"] {
        client.get(path).await.expect_outage();
    }
    assert_eq!(service.asked(), asked, "{proxy:?}");

    let url = redis.url();
    let _gateway = Gateway::start_at(&address, PLAIN, &[("REDIS_URL", &url)]).await;
    client.get("/service/api/x").await.expect(200);
    drop((sessions, sign_in));
}

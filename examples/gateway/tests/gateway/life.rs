//! To ask is to use: what a request through the gateway does to its session.

use std::time::Duration;

use session_kit::{Clock as _, Subject, SystemClock};
use tokio::time::Instant;

use crate::patience::until;
use crate::process::Gateway;
use crate::site::{PLAIN, Site, cached, replaced, with};

const IDLE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn use_through_the_gateway_is_use() {
    let config = with(PLAIN, "[session]", "idle_timeout = \"3s\"\nabsolute_timeout = \"1h\"");
    let config = replaced(&config, "secure = false", "secure = false, lifetime = \"persistent\"");
    let site = Site::start(&config).await;
    let user = Subject::new("u1001").unwrap();
    let mut client = site.signed_in(user.as_str()).await;
    let begun = Instant::now();
    let mut refreshed = 0;
    until("it was used for longer than it lives unused", async || {
        let answer = client.get("/service/api/x").await.expect(200);
        if let Some(cookie) = answer.session_cookie() {
            // Beside the service's own.
            assert_eq!(answer.header("set-cookie").len(), 2, "{answer}");
            assert_eq!(cookie.split(';').next(), client.cookie());
            assert!(cookie.contains("; Max-Age="), "{cookie}");
            refreshed += 1;
        }
        begun.elapsed() > IDLE * 2
    })
    .await;
    assert!(refreshed > 0, "the cookie's age was never told anew");

    until("it has ended", async || site.sessions.list(&user).await.unwrap().is_empty()).await;
    client.get("/service/api/x").await.expect(401).expect_cleared();
}

#[tokio::test]
async fn use_that_was_put_off_is_written_down_at_the_end() {
    let config = with(&cached(), "[session]", "touch_after = 0");
    let site = Site::start(&config).await;
    let user = Subject::new("u1001").unwrap();
    let url = site.redis.url();
    // A touch waits a tenth of a second at most, and may happen to be sent just before the end.
    for _ in 0..3 {
        let signed_in = site.signed_in(user.as_str()).await;
        let gateway = Gateway::start_at("127.0.0.1:0", &config, &[("REDIS_URL", &url)]).await;
        let mut client = gateway.client();
        client.set_cookie(signed_in.cookie().unwrap());
        for _ in 0..5 {
            client.get("/auth").await.expect(200);
        }
        let before = SystemClock.now();
        client.get("/auth").await.expect(200);
        let status = gateway.stopped().await;
        assert_eq!(status.code(), Some(0));
        let listed = site.sessions.list(&user).await.unwrap();
        let last_seen = listed.iter().map(|session| session.last_seen_at).max();
        assert!(last_seen >= Some(before), "{last_seen:?} is before {before:?}");
    }
}

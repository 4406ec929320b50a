//! Touches that the cache has put off when the portal is told to stop.

use serde_json::Value;
use session_testkit::servers::Redis;

use super::{cached_config_for, metric, source, until_local};
use crate::client::Client;
use crate::configured::Configured;
use crate::nodes::same_person;
use crate::patience::until;

/// Every use of a session is written down.
const ALWAYS: (&str, &str) = ("SESSION__SESSION__TOUCH_AFTER", "0");
/// None is, as long as the session has most of its life before it.
const NEVER: (&str, &str) = ("SESSION__SESSION__TOUCH_AFTER", "1");

#[tokio::test]
async fn they_are_sent() {
    let redis = Redis::start().await;
    let config = cached_config_for(&redis);
    let other = Configured::start_with(&config, &[NEVER]).await;
    // A touch waits a tenth of a second at most, and may happen to be sent just before the end.
    for round in 0..3 {
        let configured = Configured::start_with(&config, &[ALWAYS]).await;
        let mut client = configured.portal.signed_in(&format!("u{round}")).await;
        until_local(&mut client).await;
        until("nothing is put off", async || {
            metric(&mut client, "session_cache_touches_waiting").await == 0.0
        })
        .await;
        let put_off = use_it(&mut client).await;
        let (status, output) = configured.portal.stopped().await;
        assert_eq!(status.code(), Some(0), "{output}");
        let log = configured.log.text();
        assert!(!log.contains("not written down"), "{log}");

        let mut elsewhere = same_person(&client, &other);
        let kept = deadline(&mut elsewhere, "/api/me?consistency=strong", "shared").await;
        assert!(kept >= put_off, "kept until {kept}, and told to be until {put_off}");
    }
}

#[tokio::test]
async fn a_store_that_is_down_keeps_nobody_from_stopping() {
    let redis = Redis::start().await;
    let configured = Configured::start_with(&cached_config_for(&redis), &[ALWAYS]).await;
    let mut client = configured.portal.signed_in("u1001").await;
    until_local(&mut client).await;
    redis.kill();
    use_it(&mut client).await;
    let (status, _) = configured.portal.stopped().await;
    assert_eq!(status.code(), Some(0));
    let log = configured.log.text();
    assert!(log.contains("not written down"), "{log}");
}

/// Uses the session, and returns the deadline that this moved it to: so far only the cache knows.
async fn use_it(client: &mut Client) -> String {
    deadline(client, "/api/me", "local").await;
    deadline(client, "/api/me", "local").await
}

/// RFC 3339, always of the same length: the order of times is that of texts.
async fn deadline(client: &mut Client, path: &str, from: &str) -> String {
    let answer = client.get(path).await.expect(200);
    assert_eq!(source(&answer), from, "{answer}");
    let Value::String(deadline) = answer.json()["idle_deadline"].take() else {
        panic!("no deadline in {answer}")
    };
    deadline
}

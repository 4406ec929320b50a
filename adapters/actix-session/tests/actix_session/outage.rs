//! A store that cannot be reached.

use std::time::Duration;

use session_core::ErrorKind;
use session_testkit::Method;

use crate::app::{Answer, Client, apps};
use crate::nodes::{Kind, eventually};

#[actix_web::test]
async fn an_outage_is_an_error_and_nobody_is_logged_out_by_it() {
    let nodes = Kind::Memory.start().await;
    let [app, _] = apps(&nodes).await;
    let mut client = Client::logged_in(&app).await;
    let mut visitor = Client::default();
    let writes = [Method::Create, Method::Replace, Method::Touch, Method::Delete];
    // With a load that fails alone, everything that is wrongly done instead would succeed.
    for kind in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Corrupt] {
        for methods in [&Method::ALL[..], &writes, &[Method::Load]] {
            nodes.a.fail(methods, kind);
            for path in ["/me", "/edit", "/renew", "/log-in", "/log-out"] {
                let answer = client.get(&app, path).await;
                assert_eq!(answer, Answer::FAILED, "{kind}, {path}, {methods:?}");
            }
            if methods.contains(&Method::Create) {
                let answer = visitor.get(&app, "/log-in").await;
                assert_eq!(answer, Answer::FAILED, "{kind}, {methods:?}");
            }
            nodes.a.heal();
            assert_eq!(client.get(&app, "/me").await.status, 200, "{kind}, {methods:?}");
        }
    }
}

#[actix_web::test]
async fn a_server_that_hangs_is_an_error_and_never_an_anonymous_visitor() {
    for kind in [Kind::Redis, Kind::Layered] {
        let nodes = kind.start_with(Duration::from_millis(500)).await;
        let [a, b] = apps(&nodes).await;
        let client = Client::logged_in(&a).await;
        assert_eq!(client.status(&b, "/me").await, 200, "{kind:?}");

        let redis = nodes.redis.as_ref().unwrap();
        redis.pause();
        for node in [&a, &b] {
            // A cache answers until its lease is over.
            eventually("an error", async || match client.status(node, "/me").await {
                500 => true,
                status => {
                    assert_eq!((status, kind), (200, Kind::Layered));
                    false
                }
            })
            .await;
            for path in ["/me", "/edit", "/log-out"] {
                let answer = client.clone().get(node, path).await;
                assert_eq!(answer, Answer::FAILED, "{kind:?}, {path}");
            }
        }
        redis.resume();
        // A log-out that was sent meanwhile may have landed: then the session is gone, for both.
        eventually("an answer", async || client.status(&a, "/me").await != 500).await;
    }
}

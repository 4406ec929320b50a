//! A store that cannot be reached.

use std::time::Duration;

use session_core::ErrorKind;
use session_testkit::Method;

use crate::app::{Answer, Client, apps};
use crate::nodes::{Kind, eventually};

#[tokio::test]
async fn an_outage_is_an_error_and_nobody_is_logged_out_by_it() {
    let nodes = Kind::Memory.start().await;
    let [app, _] = apps(&nodes);
    let mut client = Client::logged_in(&app).await;
    let mut visitor = Client::default();
    let failed = Answer { status: 500, set_cookie: None };
    let writes = [Method::Create, Method::Replace, Method::Delete];
    for kind in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Corrupt] {
        // With a load that fails alone, everything that is wrongly done instead would succeed.
        for methods in [&Method::ALL[..], &writes, &[Method::Load]] {
            nodes.a.fail(methods, kind);
            // What needs neither is none of the outage's business: a log-out loads nothing.
            for (path, needs) in [
                ("/me", Method::Load),
                ("/edit", Method::Load),
                ("/edit", Method::Replace),
                ("/log-out", Method::Delete),
            ] {
                if methods.contains(&needs) {
                    let answer = client.post(&app, path).await;
                    assert_eq!(answer, failed, "{kind}, {path}, {methods:?}");
                }
            }
            if methods.contains(&Method::Create) {
                assert_eq!(visitor.post(&app, "/log-in").await, failed, "{kind}, {methods:?}");
            }
            nodes.a.heal();
            assert_eq!(client.post(&app, "/me").await.status, 200, "{kind}, {methods:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_an_error_and_never_an_anonymous_visitor() {
    for kind in [Kind::Redis, Kind::Layered] {
        let nodes = kind.start_with(Duration::from_millis(500)).await;
        let [a, b] = apps(&nodes);
        let client = Client::logged_in(&a).await;
        assert_eq!(client.status(&b, "/me").await, 200, "{kind:?}");

        let redis = nodes.redis.as_ref().unwrap();
        redis.pause();
        for app in [&a, &b] {
            // A cache answers until its lease is over.
            eventually("an error", async || match client.status(app, "/me").await {
                500 => true,
                status => {
                    assert_eq!((status, kind), (200, Kind::Layered));
                    false
                }
            })
            .await;
            for path in ["/me", "/edit", "/log-out"] {
                let failed = Answer { status: 500, set_cookie: None };
                assert_eq!(client.clone().post(app, path).await, failed, "{kind:?}, {path}");
            }
        }
        redis.resume();
        // A log-out that was sent meanwhile may have landed: then the session is gone, for both.
        eventually("an answer", async || client.status(&a, "/me").await != 500).await;
    }
}

//! What clients of the real middleware see.

use std::time::{Duration, Instant};

use session_testkit::Method;

use crate::app::{Answer, Client, IDLE, apps};
use crate::nodes::Kind;

/// What a busy machine may add to a bound.
const SLACK: Duration = Duration::from_millis(500);

#[tokio::test]
async fn who_logs_in_on_one_node_is_known_to_the_other_and_logs_out_on_both() {
    for kind in Kind::ALL {
        let nodes = kind.start().await;
        let [a, b] = apps(&nodes);
        for _ in 0..5 {
            let mut client = Client::logged_in(&a).await;
            let copy = client.clone();
            assert_eq!(copy.status(&b, "/me").await, 200, "{kind:?}");
            assert_eq!(copy.status(&b, "/me").await, 200, "{kind:?}, from the cache");

            let answer = client.post(&a, "/log-out").await;
            assert_eq!(answer.status, 200, "{kind:?}");
            assert!(answer.set_cookie.unwrap().contains("Max-Age=0"), "{kind:?}");
            let acknowledged = Instant::now();
            assert_eq!(copy.status(&a, "/me").await, 401, "{kind:?}, where it was asked for");
            loop {
                let asked = acknowledged.elapsed();
                match copy.status(&b, "/me").await {
                    401 => break,
                    status => assert_eq!(status, 200, "{kind:?}"),
                }
                let bound = kind.staleness();
                assert!(!bound.is_zero() && asked <= bound + SLACK, "{kind:?}: {asked:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_slow_request_does_not_undo_a_log_out() {
    for kind in Kind::ALL {
        let nodes = kind.start().await;
        let [a, b] = apps(&nodes);
        // Having read the session, and being about to write it.
        for slow in ["read", "write"] {
            let client = Client::logged_in(&a).await;
            let gate = match slow {
                "read" => nodes.a.hold_reply(Method::Load),
                _ => nodes.a.hold_call(Method::Replace),
            };
            let request = tokio::spawn({
                let (mut client, a) = (client.clone(), a.clone());
                async move { client.post(&a, "/edit").await }
            });
            gate.reached().await;
            assert_eq!(client.status(&b, "/log-out").await, 200, "{kind:?}, {slow}");
            gate.open();
            let refused = Answer { status: 500, set_cookie: None };
            assert_eq!(request.await.unwrap(), refused, "{kind:?}, {slow}");
            for app in [&a, &b] {
                assert_eq!(client.status(app, "/me").await, 401, "{kind:?}, {slow}");
            }
            assert_eq!(nodes.stored().await, Vec::<String>::new(), "{kind:?}, {slow}");
        }
    }
}

/// What does not hold, and is told in the crate's documentation: if this fails, something has
/// become better.
#[tokio::test]
async fn a_slow_new_id_is_not_told_from_a_timely_one() {
    let nodes = Kind::Memory.start().await;
    let [app, _] = apps(&nodes);
    let client = Client::logged_in(&app).await;
    let gate = nodes.a.hold_call(Method::Delete);
    let request = tokio::spawn({
        let (mut client, app) = (client.clone(), app.clone());
        async move { (client.post(&app, "/renew").await.status, client) }
    });
    gate.reached().await;
    assert_eq!(client.status(&app, "/log-out").await, 200);
    gate.open();
    let (status, renewed) = request.await.unwrap();
    assert_eq!(status, 200);
    assert_eq!(client.status(&app, "/me").await, 401, "the old id");
    assert_eq!(renewed.status(&app, "/me").await, 200, "the new one");
}

#[tokio::test]
async fn an_expired_session_is_gone() {
    for kind in Kind::ALL {
        let nodes = kind.start().await;
        let [a, b] = apps(&nodes);
        let mut client = Client::logged_in(&a).await;
        let slow = Client::logged_in(&a).await;
        assert_eq!(client.status(&b, "/me").await, 200, "{kind:?}");

        let gate = nodes.a.hold_call(Method::Replace);
        let request = tokio::spawn({
            let (slow, a) = (slow.clone(), a.clone());
            async move { slow.status(&a, "/edit").await }
        });
        gate.reached().await;
        nodes.clock.advance(IDLE.unsigned_abs() + Duration::from_secs(60));
        gate.open();
        assert_eq!(request.await.unwrap(), 500, "{kind:?}: it expired while it was edited");

        for app in [&a, &b] {
            assert_eq!(client.status(app, "/me").await, 401, "{kind:?}");
        }
        let cleared = client.post(&a, "/me").await.set_cookie.unwrap();
        assert!(cleared.contains("Max-Age=0"), "{kind:?}: {cleared}");
    }
}

#[tokio::test]
async fn a_new_id_makes_the_old_one_worthless() {
    for kind in Kind::ALL {
        let nodes = kind.start().await;
        let [a, b] = apps(&nodes);
        let mut client = Client::logged_in(&a).await;
        let before = client.clone();
        assert_eq!(client.post(&a, "/log-in").await.status, 200, "{kind:?}");
        assert_eq!(before.status(&a, "/me").await, 401, "{kind:?}");
        for app in [&a, &b] {
            assert_eq!(client.status(app, "/me").await, 200, "{kind:?}");
        }
    }
}

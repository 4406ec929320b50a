//! What clients of the real middleware see.

use std::time::{Duration, Instant};

use session_core::Store as _;
use session_testkit::Method;

use crate::app::{Answer, Client, TTL, apps};
use crate::nodes::Kind;

/// What a busy machine may add to a bound.
const SLACK: Duration = Duration::from_millis(500);

#[actix_web::test]
async fn who_logs_in_on_one_node_is_known_to_the_other_and_logs_out_on_both() {
    for kind in Kind::ALL {
        let nodes = kind.start().await;
        let [a, b] = apps(&nodes).await;
        for _ in 0..5 {
            let mut client = Client::logged_in(&a).await;
            let copy = client.clone();
            assert_eq!(copy.status(&b, "/me").await, 200, "{kind:?}");
            assert_eq!(copy.status(&b, "/me").await, 200, "{kind:?}, from the cache");

            let answer = client.get(&a, "/log-out").await;
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

#[actix_web::test]
async fn a_slow_request_does_not_undo_a_log_out() {
    // What it asks for, and where it is slow: having read the session, or being about to write.
    let slow_requests = [
        ("/edit", Method::Load),
        ("/edit", Method::Replace),
        ("/renew", Method::Load),
        ("/renew", Method::Delete),
        ("/log-in", Method::Delete),
        ("/log-out", Method::Delete),
    ];
    for kind in Kind::ALL {
        let nodes = kind.start().await;
        let [a, b] = apps(&nodes).await;
        for (path, method) in slow_requests {
            let client = Client::logged_in(&a).await;
            let mut slow = client.clone();
            let gate = match method {
                Method::Load => nodes.a.hold_reply(method),
                _ => nodes.a.hold_call(method),
            };
            let log_out = async {
                gate.reached().await;
                let status = client.status(&b, "/log-out").await;
                gate.open();
                status
            };
            let (answer, status) = tokio::join!(slow.get(&a, path), log_out);
            assert_eq!(status, 200, "{kind:?}, {path}, {method:?}");
            assert_eq!(answer, Answer::FAILED, "{kind:?}, {path}, {method:?}");
            for node in [&a, &b] {
                assert_eq!(slow.status(node, "/me").await, 401, "{kind:?}, {path}, {method:?}");
            }
            assert_eq!(nodes.stored().await, Vec::<String>::new(), "{kind:?}, {path}, {method:?}");
        }
    }
}

#[actix_web::test]
async fn a_reader_that_comes_too_late_to_extend_a_session_is_answered_and_extends_nothing() {
    for kind in [Kind::Memory, Kind::Redis] {
        let nodes = kind.start().await;
        let [a, b] = apps(&nodes).await;
        let mut client = Client::logged_in(&a).await;
        let copy = client.clone();
        let gate = nodes.a.hold_call(Method::Touch);
        let log_out = async {
            gate.reached().await;
            let status = copy.status(&b, "/log-out").await;
            gate.open();
            status
        };
        let (answer, status) = tokio::join!(client.get(&a, "/me"), log_out);
        assert_eq!((answer.status, status), (200, 200), "{kind:?}");
        assert_eq!(client.status(&a, "/me").await, 401, "{kind:?}");
        assert_eq!(nodes.stored().await, Vec::<String>::new(), "{kind:?}");
    }
}

#[actix_web::test]
async fn a_session_that_is_read_lives_on_and_one_that_is_not_expires() {
    for kind in Kind::ALL {
        let nodes = kind.start().await;
        let [a, b] = apps(&nodes).await;
        let client = Client::logged_in(&a).await;
        for _ in 0..3 {
            nodes.clock.advance(TTL.unsigned_abs() * 2 / 3);
            assert_eq!(client.status(&a, "/me").await, 200, "{kind:?}");
            // A cache sends touches a moment later, and this clock knows no moments.
            nodes.a.flush().await.unwrap();
        }
        nodes.clock.advance(TTL.unsigned_abs());
        for node in [&a, &b] {
            assert_eq!(client.status(node, "/me").await, 401, "{kind:?}");
        }
    }
}

#[actix_web::test]
async fn what_expires_while_it_is_edited_is_not_brought_back() {
    for kind in Kind::ALL {
        let nodes = kind.start().await;
        let [a, _] = apps(&nodes).await;
        let mut client = Client::logged_in(&a).await;
        let gate = nodes.a.hold_call(Method::Replace);
        let expire = async {
            gate.reached().await;
            nodes.clock.advance(TTL.unsigned_abs());
            gate.open();
        };
        let (answer, ()) = tokio::join!(client.get(&a, "/edit"), expire);
        assert_eq!(answer, Answer::FAILED, "{kind:?}");
        assert_eq!(client.status(&a, "/me").await, 401, "{kind:?}");
    }
}

#[actix_web::test]
async fn a_new_id_makes_the_old_one_worthless() {
    for kind in Kind::ALL {
        let nodes = kind.start().await;
        let [a, b] = apps(&nodes).await;
        for path in ["/renew", "/log-in"] {
            let mut client = Client::logged_in(&a).await;
            let before = client.clone();
            assert_eq!(client.get(&a, path).await.status, 200, "{kind:?}, {path}");
            assert_eq!(before.status(&a, "/me").await, 401, "{kind:?}, {path}");
            for node in [&a, &b] {
                assert_eq!(client.status(node, "/me").await, 200, "{kind:?}, {path}");
            }
        }
    }
}

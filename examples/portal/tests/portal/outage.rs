//! What is answered while the store is out of reach. The application runs within the test here,
//! in front of a store that fails when it is told to.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::COOKIE;
use portal::{DebugHeaders, Metrics};
use session_kit::observe::Observed;
use session_kit::{ErrorKind, MemoryStore, SessionCookie, Sessions};
use session_testkit::{FaultyStore, Method};
use tower::ServiceExt as _;

use crate::client::Answer;

struct Application {
    app: Router,
    store: Arc<FaultyStore>,
    cookie: String,
}

impl Application {
    async fn signed_in() -> Self {
        let metrics = Metrics::new().expect("metrics");
        let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
        let measured = Observed::shared(store.clone(), "faulty", &metrics.meter());
        let cookie = SessionCookie::new("id").danger_send_without_tls();
        let sessions =
            Sessions::builder(measured).cookie(cookie).touch_after(0.0).build().expect("sessions");
        let app = portal::axum::app(sessions, metrics, DebugHeaders::On);
        let mut application = Self { app, store, cookie: String::new() };
        let login = r#"{"user": "u1001", "password": "demo"}"#;
        let answer = application.send("POST", "/api/login", login).await.expect(200);
        let set = answer.set_cookie().expect("a cookie");
        application.cookie = set.split(';').next().unwrap_or_default().to_owned();
        application
    }

    async fn send(&self, method: &str, path: &str, body: &'static str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(COOKIE, &self.cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .expect("a request");
        let response = self.app.clone().oneshot(request).await.expect("an answer");
        Answer::read(format!("{method} {path}"), response).await
    }
}

const LOGIN: &str = r#"{"user": "u1001", "password": "demo"}"#;

const USING: &[(&str, &str, &str)] = &[
    ("POST", "/api/login", LOGIN),
    ("POST", "/api/logout", ""),
    ("GET", "/api/me", ""),
    ("GET", "/api/me?consistency=strong", ""),
    ("GET", "/api/data/name", ""),
    ("PUT", "/api/data/name", "1"),
    ("DELETE", "/api/data/name", ""),
    ("POST", "/api/slow?name=n&ms=1", "1"),
    ("GET", "/api/counter", ""),
    ("POST", "/api/counter", ""),
    ("POST", "/api/counter/now", ""),
    ("POST", "/api/rotate", ""),
    ("PUT", "/api/timeouts", r#"{"idle_ms": 1000, "absolute_ms": 1000}"#),
    ("GET", "/api/devices", ""),
    ("DELETE", "/api/devices/AAAAAAAAAAAAAAAAAAAAAA", ""),
    ("POST", "/api/devices/revoke-others", ""),
    ("POST", "/api/devices/revoke-all", ""),
];

#[tokio::test]
async fn an_outage_is_not_a_sign_out() {
    let application = Application::signed_in().await;
    for kind in [ErrorKind::Unavailable, ErrorKind::Timeout] {
        application.store.fail(&Method::ALL, kind);
        for (method, path, body) in USING {
            let answer = application.send(method, path, body).await;
            let answer = answer.expect_error(503, "store_unavailable").expect_no_cookie();
            assert_eq!(answer.header("retry-after"), "1", "{answer}");
            assert_eq!(answer.header("x-session-source"), "none", "{answer}");
        }
        for (method, path) in [
            ("GET", "/"),
            ("POST", "/logout"),
            ("POST", "/counter"),
            ("POST", "/revoke-others"),
            ("POST", "/devices/AAAAAAAAAAAAAAAAAAAAAA/revoke"),
        ] {
            let answer = application.send(method, path, "").await.expect(503).expect_no_cookie();
            assert_eq!(answer.header("retry-after"), "1", "{answer}");
            assert!(answer.header("content-type").starts_with("text/html"), "{answer}");
            assert_ne!(answer.header("content-security-policy"), "", "{answer}");
        }
    }
    application.store.heal();
    application.send("GET", "/api/me", "").await.expect(200);
}

#[tokio::test]
async fn a_failed_save_is_not_answered_as_a_success() {
    let application = Application::signed_in().await;
    application.store.fail(&[Method::Replace, Method::Rotate, Method::Delete], ErrorKind::Timeout);
    for (method, path, body) in [
        ("POST", "/api/login", LOGIN),
        ("POST", "/api/logout", ""),
        ("PUT", "/api/data/name", "1"),
        ("POST", "/api/slow?name=n&ms=1", "1"),
        ("POST", "/api/counter", ""),
        ("POST", "/api/counter/now", ""),
        ("POST", "/api/rotate", ""),
        ("POST", "/api/devices/revoke-all", ""),
    ] {
        let answer = application.send(method, path, body).await;
        answer.expect_error(503, "store_unavailable").expect_no_cookie();
    }
    for (path, body) in [("/login", "user=u1001&password=demo"), ("/logout", ""), ("/counter", "")]
    {
        let answer = application.send("POST", path, body).await.expect(503).expect_no_cookie();
        assert!(answer.header("content-type").starts_with("text/html"), "{answer}");
    }
    application.store.heal();
    application.send("GET", "/api/me", "").await.expect(200);
    let counter = application.send("GET", "/api/counter", "").await.expect(200).json();
    assert_eq!(counter["value"], 0);
}

#[tokio::test]
async fn what_needs_no_store_works_without() {
    let application = Application::signed_in().await;
    application.store.fail(&Method::ALL, ErrorKind::Unavailable);
    for path in ["/api/plain", "/healthz", "/metrics"] {
        application.send("GET", path, "").await.expect(200);
    }
    let wrong = r#"{"user": "u1001", "password": "wrong"}"#;
    let answer = application.send("POST", "/api/login", wrong).await;
    answer.expect_error(401, "bad_credentials");
}

#[tokio::test(start_paused = true)]
async fn readiness_is_that_of_the_store() {
    let application = Application::signed_in().await;
    application.send("GET", "/readyz", "").await.expect(200);
    application.store.fail(&[Method::Load], ErrorKind::Unavailable);
    let answer = application.send("GET", "/readyz", "").await;
    let answer = answer.expect_error(503, "store_unavailable").expect_no_cookie();
    assert_eq!(answer.header("retry-after"), "1");
    application.store.heal();

    let gate = application.store.hold_call(Method::Load);
    let answer = application.send("GET", "/readyz", "").await;
    let answer = answer.expect_error(503, "store_unavailable");
    assert!(answer.text().contains("within a second"), "{answer}");
    drop(gate);
    application.send("GET", "/readyz", "").await.expect(200);
}

#[tokio::test]
async fn a_sign_out_elsewhere_in_the_middle_is_told() {
    let application = Application::signed_in().await;
    // Read from a session that is gone by the time it is saved.
    for (path, body) in [("/api/counter", ""), ("/api/rotate", ""), ("/api/slow?name=n&ms=1", "1")]
    {
        let application = Application { ..Application::signed_in().await };
        application.store.fail_next(Method::Replace, ErrorKind::Gone);
        application.store.fail_next(Method::Rotate, ErrorKind::Gone);
        let answer = application.send("POST", path, body).await;
        answer.expect_error(401, "session_gone").expect_cleared();
    }
    application.store.fail_next(Method::Replace, ErrorKind::Gone);
    let answer = application.send("POST", "/counter", "").await;
    answer.expect_redirect("/?notice=ended").expect_cleared();
}

#[tokio::test]
async fn failures_are_measured() {
    let application = Application::signed_in().await;
    application.store.fail(&[Method::Load], ErrorKind::Timeout);
    application.send("GET", "/api/me", "").await.expect(503);
    let text = application.send("GET", "/metrics", "").await.expect(200).text();
    let line = r#"session_store_operation_duration_seconds_count{error_type="timeout",session_backend="faulty",session_operation="load",session_outcome="error"} 1"#;
    assert!(text.lines().any(|found| found == line), "{text}");
}

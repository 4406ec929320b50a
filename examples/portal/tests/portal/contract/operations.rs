use crate::frameworks::Framework;
use crate::process::Portal;

pub(crate) async fn plain_has_nothing_to_do_with_sessions(on: Framework) {
    let portal = Portal::start_on_with(on, &["--debug-headers"]).await;
    let mut client = portal.signed_in("u1001").await;
    let answer = client.get("/api/plain").await.expect(200).expect_no_cookie();
    assert_eq!(answer.text(), "ok");
    assert_eq!(answer.header("x-session-source"), "none");
    for name in ["cache-control", "vary"] {
        assert_eq!(answer.header(name), "", "{answer}");
    }
}

pub(crate) async fn health_and_readiness_are_plain_answers(on: Framework) {
    let portal = Portal::start_on(on).await;
    for path in ["/healthz", "/readyz"] {
        let answer = portal.client().get(path).await.expect(200).expect_no_cookie();
        assert_eq!(answer.text(), "ok");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

pub(crate) async fn metrics_count_calls_and_requests_without_ids(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.signed_in("u1001").await;
    client.get("/api/me").await.expect(200);
    client.get("/api/data/some-name").await.expect(404);
    client.get("/no/such/page").await.expect(404);
    client.send("BREW", "/api/me", &[], "").await.expect(405);
    client.post("/api/logout").await.expect(204);

    let answer = client.get("/metrics").await.expect(200).expect_no_cookie();
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"), "{answer}");
    let text = answer.text();
    for line in [
        r#"session_store_operation_duration_seconds_count{session_backend="memory",session_operation="create",session_outcome="created"} 1"#,
        r#"session_store_operation_duration_seconds_count{session_backend="memory",session_operation="load",session_outcome="found"} 3"#,
        r#"session_store_operation_duration_seconds_count{session_backend="memory",session_operation="delete",session_outcome="deleted"} 1"#,
        "session_created_total 1",
        r#"session_destroyed_total{session_reason="request"} 1"#,
        r#"session_loads_total{session_outcome="found",session_source="shared"} 3"#,
        r#"http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/api/me",session_source="shared"} 1"#,
        r#"http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="404",http_route="/api/data/{name}",session_source="shared"} 1"#,
        r#"http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="404",http_route="none",session_source="none"} 1"#,
        r#"http_server_request_duration_seconds_count{http_request_method="_OTHER",http_response_status_code="405",http_route="/api/me",session_source="none"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    for word in ["u1001", "some-name", "such", "BREW"] {
        assert!(!text.contains(word), "{word}\n{text}");
    }
}

pub(crate) async fn debug_headers_tell_where_the_session_was_read(on: Framework) {
    let portal = Portal::start_on_with(on, &["--debug-headers"]).await;
    let mut client = portal.client();
    let mut source = async |method: &str, path: &str| {
        let answer = client.send(method, path, &[], "").await;
        answer.header("x-session-source").to_owned()
    };
    assert_eq!(source("GET", "/api/me").await, "none");
    assert_eq!(source("POST", "/api/counter").await, "none");
    assert_eq!(source("GET", "/api/counter").await, "shared");
    assert_eq!(source("GET", "/").await, "shared");
    assert_eq!(source("GET", "/no/such/page").await, "none");
    assert_eq!(source("PUT", "/api/counter").await, "none");
    assert_eq!(source("GET", "/readyz").await, "none");
    assert_eq!(source("POST", "/api/logout").await, "shared");
    assert_eq!(source("POST", "/api/logout").await, "none");

    let silent = Portal::start_on(on).await;
    let answer = silent.client().get("/api/me").await;
    assert!(!answer.headers.contains_key("x-session-source"), "{answer}");
}

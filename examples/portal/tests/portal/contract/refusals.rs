use serde_json::json;

use crate::frameworks::Framework;
use crate::process::Portal;

pub(crate) async fn unknown_addresses_and_methods_are_refused_in_json(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.client();
    for path in ["/api", "/api/", "/api/login/", "/api/nothing", "/nothing", "//", "/API/me"] {
        client.get(path).await.expect_error(404, "not_found").expect_no_cookie();
    }
    for (method, path, allowed) in [
        ("GET", "/api/login", "POST"),
        ("POST", "/api/me", "GET,HEAD"),
        ("PATCH", "/api/data/name", "GET,HEAD,PUT,DELETE"),
        ("GET", "/api/devices/revoke-all", "POST"),
        ("GET", "/logout", "POST"),
        ("POST", "/", "GET,HEAD"),
        ("DELETE", "/readyz", "GET,HEAD"),
    ] {
        let answer = client.send(method, path, &[], "").await;
        let answer = answer.expect_error(405, "method_not_allowed").expect_no_cookie();
        assert_eq!(answer.header("allow"), allowed, "{answer}");
    }
}

pub(crate) async fn what_other_sites_send_is_refused(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.signed_in("u1001").await;
    let foreign: [&[(&str, &str)]; 4] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", "http://evil.portal.example")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
    ];
    for headers in foreign {
        let answer = client.send("POST", "/api/logout", headers, "").await;
        answer.expect_error(403, "cross_site").expect_no_cookie();
        let answer = client.send("POST", "/logout", headers, "").await.expect(403);
        assert!(answer.header("content-type").starts_with("text/html"), "{answer}");
        answer.expect_no_cookie();
        // Following a link is no harm.
        client.send("GET", "/api/me", headers, "").await.expect(200);
    }
    let own = portal.url();
    for headers in [[("sec-fetch-site", "same-origin")], [("origin", &*own)]] {
        client.send("POST", "/api/counter", &headers, "").await.expect(204);
    }
}

pub(crate) async fn a_list_is_no_object(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.client();
    let credentials = json!(["u1001", "demo"]);
    let answer = client.post_json("/api/login", &credentials).await;
    answer.expect_error(400, "bad_request").expect_no_cookie();
    client.log_in("u1001").await;
    client.put("/api/timeouts", &json!([1, 2])).await.expect_error(400, "bad_request");
    client.get("/api/me").await.expect(200);
}

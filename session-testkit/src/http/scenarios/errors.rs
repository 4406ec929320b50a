//! Errors as programs see them. Their form is a [law](super::super::laws) of every response.

use serde_json::json;

use super::super::{Request, Target, random};

/// Each way to go wrong has its status and its code, and none begins a session.
pub async fn errors_are_typed(target: &Target) {
    let json = |path: &str, body: &str| {
        let request = Request::post(path).header("content-type", "application/json");
        request.body(body.as_bytes())
    };
    let put = |path: &str, body: &str| {
        Request::new("PUT", path).header("content-type", "application/json").body(body.as_bytes())
    };
    let wrong = json!({ "user": random::user(), "password": "wrong" });
    let cases = [
        (Request::get("/api/me"), 401, "no_session"),
        (Request::get("/api/devices"), 401, "no_session"),
        (Request::post("/api/devices/revoke-others"), 401, "no_session"),
        (Request::post("/api/devices/revoke-all"), 401, "no_session"),
        (Request::get("/api/data/absent"), 404, "not_found"),
        (Request::post("/api/login").json(&wrong), 401, "bad_credentials"),
        (json("/api/login", ""), 400, "bad_request"),
        (json("/api/login", "{"), 400, "bad_request"),
        (json("/api/login", "[]"), 400, "bad_request"),
        (json("/api/login", "{}"), 400, "bad_request"),
        (json("/api/login", r#"{"user": 1, "password": "demo"}"#), 400, "bad_request"),
        (put("/api/data/name", ""), 400, "bad_request"),
        (put("/api/data/name", "{\"a\":}"), 400, "bad_request"),
        (put("/api/data/name", "1 2"), 400, "bad_request"),
        (put("/api/timeouts", "{"), 400, "bad_request"),
        (json("/api/slow", "1"), 400, "bad_request"),
        (json("/api/slow?name=x&ms=soon", "1"), 400, "bad_request"),
        (json("/api/slow?name=x&ms=1", "{"), 400, "bad_request"),
        (Request::get("/api/me?consistency=whatever"), 400, "bad_request"),
    ];
    for (request, status, code) in cases {
        let mut browser = target.browser();
        browser.send(request).await.expect_error(status, code).expect_no_cookie();
    }
}

/// A wrong password, or a name that no user has, signs nobody in and nobody out.
pub async fn wrong_password_changes_nothing(target: &Target) {
    let mut browser = target.signed_in().await;
    browser.store("kept", &json!(1)).await;
    let token = browser.live_token();
    let before = browser.me().await;
    let long = "u".repeat(65);
    let attempts = [
        (random::user(), "wrong"),
        (random::user(), ""),
        (browser.user().to_owned(), "Demo"),
        (String::new(), "demo"),
        (long, "demo"),
        ("two words".to_owned(), "demo"),
        ("<script>".to_owned(), "demo"),
        ("a\r\nb".to_owned(), "demo"),
        ("ü".to_owned(), "demo"),
    ];
    for (user, password) in attempts {
        let credentials = json!({ "user": user, "password": password });
        let request = Request::post("/api/login").json(&credentials);
        for browser in [&mut browser, &mut target.browser()] {
            let response = browser.send(request.clone()).await;
            response.expect_error(401, "bad_credentials").expect_no_cookie();
        }
    }
    assert_eq!(browser.live_token(), token);
    assert_eq!(browser.me().await.member("handle"), before.member("handle"));
    assert_eq!(browser.stored("kept").await, Some(json!(1)));
}

use serde_json::json;

use crate::client::Answer;
use crate::frameworks::Framework;
use crate::process::Portal;

pub(crate) async fn login_signs_in_under_a_new_id(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.client();
    client.put("/api/data/before", &json!(1)).await.expect(204);
    let anonymous = client.cookie().expect("a cookie").to_owned();

    let answer = client.log_in("u1001").await;
    assert_eq!(answer.json(), json!({ "user": "u1001" }));
    let set = answer.set_cookie().expect("a cookie").to_owned();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(set.contains(attribute), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains("Max-Age"), "{set}");
    assert_ne!(client.cookie(), Some(&*anonymous));
    assert_eq!(client.get("/api/data/before").await.expect(200).json(), 1);

    client.set_cookie(&anonymous);
    client.get("/api/me").await.expect_error(401, "no_session").expect_cleared();
}

pub(crate) async fn login_takes_any_legal_name_with_the_password(on: Framework) {
    let portal = Portal::start_on(on).await;
    let login = |user: String, password: &'static str| {
        let mut client = portal.client();
        async move {
            client.post_json("/api/login", &json!({ "user": user, "password": password })).await
        }
    };
    for user in ["a", "A-b_c.d@example.org", &"x".repeat(64)] {
        assert_eq!(login(user.into(), "demo").await.expect(200).json()["user"], user);
    }
    for user in ["", "two words", "ü", "a/b", "<b>", &"x".repeat(65)] {
        let answer = login(user.into(), "demo").await;
        answer.expect_error(401, "bad_credentials").expect_no_cookie();
    }
    for password in ["", "Demo", "demo "] {
        let answer = login("u1001".into(), password).await;
        answer.expect_error(401, "bad_credentials").expect_no_cookie();
    }
}

pub(crate) async fn login_refuses_what_is_no_login(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.client();
    let bodies = [
        "",
        "{",
        "null",
        "[]",
        "{}",
        "\"u1001\"",
        r#"{"user": "u1001"}"#,
        r#"{"user": 1, "password": "demo"}"#,
        r#"{"user": "u1001", "password": ["demo"]}"#,
    ];
    for body in bodies {
        let answer = client.send("POST", "/api/login", &[], body).await;
        answer.expect_error(400, "bad_request").expect_no_cookie();
    }
    let secret = r#"{"user": "u1001", "password": {"a": "geheim"}}"#;
    let answer = client.send("POST", "/api/login", &[], secret).await;
    assert!(!answer.expect_error(400, "bad_request").text().contains("geheim"));
}

pub(crate) async fn json_is_taken_under_any_name(on: Framework) {
    let portal = Portal::start_on(on).await;
    let body = r#"{"user": "u1001", "password": "demo"}"#;
    for kind in ["application/json", "application/json; charset=utf-8", "text/plain", "a/b"] {
        let headers = [("content-type", kind)];
        portal.client().send("POST", "/api/login", &headers, body).await.expect(200);
    }
}

pub(crate) async fn logout_ends_the_session_and_may_be_repeated(on: Framework) {
    let portal = Portal::start_on(on).await;
    portal.client().post("/api/logout").await.expect(204).expect_no_cookie();

    let mut client = portal.signed_in("u1001").await;
    let cookie = client.cookie().expect("a cookie").to_owned();
    client.post("/api/logout").await.expect(204).expect_cleared();
    assert_eq!(client.cookie(), None);
    for _ in 0..2 {
        client.set_cookie(&cookie);
        client.post("/api/logout").await.expect(204).expect_cleared();
    }
    client.set_cookie(&cookie);
    client.get("/api/me").await.expect_error(401, "no_session").expect_cleared();
}

pub(crate) async fn me_tells_who_since_when_until_when_and_where(on: Framework) {
    let portal = Portal::start_on(on).await;
    portal.client().get("/api/me").await.expect_error(401, "no_session").expect_no_cookie();

    let mut client = portal.client();
    let login = json!({ "user": "u1001", "password": "demo" }).to_string();
    client.send("POST", "/api/login", &[("user-agent", "Lynx/2.9")], login).await.expect(200);
    for path in ["/api/me", "/api/me?consistency=strong"] {
        let me = client.get(path).await.expect(200).expect_no_cookie();
        assert_eq!(me.header("cache-control"), "no-store");
        assert!(me.header("vary").eq_ignore_ascii_case("cookie"), "{me}");
        is_complete(&me);
    }
    for path in ["/api/me?consistency=weak", "/api/me?consistency="] {
        client.get(path).await.expect_error(400, "bad_request");
    }

    let mut anonymous = portal.client();
    anonymous.post("/api/counter").await.expect(204);
    anonymous.get("/api/me").await.expect_error(401, "no_session").expect_no_cookie();
}

fn is_complete(me: &Answer) {
    let json = me.json();
    let members: Vec<&str> =
        json.as_object().expect("an object").keys().map(|name| &**name).collect();
    let expected = [
        "absolute_deadline",
        "authenticated_at",
        "created_at",
        "device",
        "handle",
        "idle_deadline",
        "user",
    ];
    assert_eq!(members, expected);
    assert_eq!(json["user"], "u1001");
    assert_eq!(json["device"], json!({ "user_agent": "Lynx/2.9", "address": "127.0.0.1" }));
    assert_eq!(json["handle"].as_str().map(str::len), Some(22));
    let millis = |name: &str| {
        let text = json[name].as_str().expect("a time");
        assert_eq!(text.len(), "2026-01-02T03:04:05.678Z".len(), "{text}");
        let time = humantime::parse_rfc3339(text).expect("an RFC 3339 time");
        time.duration_since(std::time::UNIX_EPOCH).expect("a time after 1970").as_millis()
    };
    assert_eq!(millis("idle_deadline") - millis("created_at"), 30 * 60 * 1_000);
    assert_eq!(millis("absolute_deadline") - millis("authenticated_at"), 12 * 3_600 * 1_000);
}

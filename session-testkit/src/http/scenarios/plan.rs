//! The table of what arrives and what the handler does, row by row.

use serde_json::json;

use super::super::{Request, Response, Target, random};
use super::routes;

/// Nothing arrived, nothing was stored: the client is given no cookie. Protects from sessions
/// created by whoever passes by (row 13; Django CVE-2015-5143).
pub async fn nothing_and_read_sets_nothing(target: &Target) {
    for request in [routes::reading(), routes::changing(), routes::ending()].concat() {
        let mut browser = target.browser();
        let response = browser.send(request).await.expect_no_cookie();
        assert!([200, 204, 401, 404].contains(&response.status()), "the status of {response}");
    }
    let mut browser = target.browser();
    browser.get("/api/me").await.expect_anonymous();
    browser.get("/api/devices").await.expect_anonymous();
    browser.get("/api/data/absent").await.expect_error(404, "not_found");
    assert_eq!(browser.get("/api/counter").await.expect(200).number_member("value"), 0);
    browser.delete("/api/data/absent").await.expect(204);
    browser.post("/api/logout").await.expect(204);
    browser.post("/api/rotate").await.expect(204);
    let timeouts = json!({ "idle_ms": 600_000, "absolute_ms": 3_600_000 });
    browser.put("/api/timeouts", &timeouts).await.expect_anonymous();
}

/// Nothing arrived, something was stored: the client is given the token of a new session, which
/// holds it, and each client another one (row 1).
pub async fn nothing_and_written_sets_a_token(target: &Target) {
    let mut tokens = Vec::new();
    for request in [routes::writing(), vec![routes::log_in(&random::user())]].concat() {
        let mut browser = target.browser();
        let response = browser.send(request).await;
        assert!([200, 204].contains(&response.status()), "the status of {response}");
        let token = response.new_token();
        assert!(token.len() >= 43, "a token with less than 256 bits in {response}");
        tokens.push(token);
    }
    let distinct: std::collections::HashSet<_> = tokens.iter().collect();
    assert_eq!(distinct.len(), tokens.len(), "two sessions with one token");

    let mut browser = target.browser().with_token(&tokens[0]);
    assert_eq!(browser.stored("written").await, Some(json!("value")));
    browser.set_token(&tokens[1]);
    assert_eq!(browser.stored("written").await, Some(json!("value")));
    for token in &tokens[2..4] {
        browser.set_token(token);
        let response = browser.get("/api/counter").await.expect(200).expect_no_cookie();
        assert_eq!(response.number_member("value"), 1, "the counter in {response}");
    }
    browser.set_token(&tokens[4]);
    browser.get("/api/me").await.expect(200);
}

/// A live session was read, shortly after it was last used: nothing changes.
pub async fn live_and_read_changes_nothing(target: &Target) {
    let mut browser = target.signed_in().await;
    let before = browser.me().await;
    for request in routes::reading() {
        browser.send(request).await.expect_no_cookie();
    }
    let after = browser.me().await;
    for member in ["handle", "created_at", "authenticated_at", "absolute_deadline"] {
        assert_eq!(before.member(member), after.member(member), "{member} after reading");
    }
}

/// A live session was written: it is still the same one, and has the value. If its cookie is
/// set again, then only to keep it for longer.
pub async fn live_and_written_stays_the_session(target: &Target) {
    let mut browser = target.signed_in().await;
    let token = browser.live_token();
    let handle = browser.me().await.text_member("handle");
    for request in routes::writing() {
        let response = browser.send(request).await;
        if let Some(cookie) = response.set_cookie() {
            assert!(cookie.max_age().is_some(), "a session cookie is set again in {response}");
        }
    }
    browser.set_token(token);
    assert_eq!(browser.me().await.text_member("handle"), handle);
    assert_eq!(browser.stored("written").await, Some(json!("value")));
    assert_eq!(browser.get("/api/counter").await.number_member("value"), 2);
}

/// A live session was rotated: a new token, all of the data, and the old token is dead (row 2).
pub async fn live_and_rotated_moves(target: &Target) {
    let mut browser = target.signed_in().await;
    browser.store("kept", &json!({ "a": [1] })).await;
    let before = browser.me().await;
    let old = browser.live_token();
    let new = browser.post("/api/rotate").await.expect(204).new_token();
    assert_ne!(old, new, "the token after a rotation");
    browser.twin().expect_dead(&old).await;

    let after = browser.me().await;
    for member in ["user", "created_at", "authenticated_at", "absolute_deadline"] {
        assert_eq!(before.member(member), after.member(member), "{member} after a rotation");
    }
    assert_eq!(browser.stored("kept").await, Some(json!({ "a": [1] })));
}

/// A visitor with a live session signed in: a new token, what the anonymous visitor had, and the
/// old token is dead (row 2; ASVS 5.0, 7.2.4).
pub async fn live_and_logged_in_moves(target: &Target) {
    let mut browser = target.browser();
    browser.store("basket", &json!(["tea"])).await;
    let old = browser.live_token();
    let response = browser.log_in(&random::user()).await;
    assert_ne!(response.new_token(), old, "the token after a log-in");
    browser.twin().expect_dead(&old).await;
    assert_eq!(browser.stored("basket").await, Some(json!(["tea"])));

    let me = browser.me().await;
    assert!(me.time_member("authenticated_at") >= me.time_member("created_at"), "in {me}");
    assert!(me.time_member("idle_deadline") > me.time_member("authenticated_at"), "in {me}");
    assert!(me.time_member("absolute_deadline") >= me.time_member("idle_deadline"), "in {me}");
    assert!(!me.member("device").is_null(), "no device in {me}");
}

/// A live session was destroyed: the cookie is cleared, and whoever brings the old one is
/// anonymous and gets a new session if he stores something (row 9; ASVS 5.0, 7.4.1).
pub async fn live_and_destroyed_is_cleared(target: &Target) {
    let mut browser = target.signed_in().await;
    browser.store("secret", &json!("of the session")).await;
    let old = browser.live_token();
    browser.post("/api/logout").await.expect(204).expect_cleared();
    assert_eq!(browser.token(), None);

    browser.expect_dead(&old).await;
    let mut replay = target.browser().with_token(&old);
    assert_eq!(replay.stored("secret").await, None);
    replay.set_token(&old);
    starts_afresh(&replay.put("/api/data/new", &json!(1)).await, &old);
    replay.get("/api/me").await.expect_anonymous();
    assert_eq!(replay.stored("secret").await, None);
    replay.expect_dead(&old).await;
}

/// A well-formed id that the server does not know: cleared if nothing is stored, else a session
/// under a new id. The client's id is never adopted and never said back (row 3).
pub async fn unknown_id_is_never_adopted(target: &Target) {
    for request in [routes::reading(), routes::ending()].concat() {
        let unknown = random::token();
        let mut browser = target.browser().with_token(&unknown);
        browser.send(request).await.expect_cleared();
    }
    for request in [routes::writing(), vec![routes::log_in(&random::user())]].concat() {
        let unknown = random::token();
        let mut browser = target.browser().with_token(&unknown);
        starts_afresh(&browser.send(request).await, &unknown);
        browser.expect_dead(&unknown).await;
    }
    let mut browser = target.browser().with_token(random::token());
    let response = browser.get("/api/counter").await.expect(200).expect_cleared();
    assert_eq!(response.number_member("value"), 0, "the counter of nobody");
    for request in routes::changing() {
        let mut browser = target.browser().with_token(random::token());
        let response = browser.send(request).await.expect_cleared();
        assert!([204, 401].contains(&response.status()), "the status of {response}");
    }
}

/// A cookie that cannot be a token: as if the id were unknown.
pub async fn malformed_id_is_anonymous(target: &Target) {
    for malformed in ["x", "not-a-token-but-of-the-right-length-0123456789"] {
        let mut browser = target.browser().with_token(malformed);
        browser.get("/api/me").await.expect_anonymous().expect_cleared();
        browser.set_token(malformed);
        browser.post("/api/logout").await.expect(204).expect_cleared();
        browser.set_token(malformed);
        starts_afresh(&browser.put("/api/data/new", &json!(1)).await, malformed);
        assert_eq!(browser.stored("new").await, Some(json!(1)));
    }
}

/// A request that does not use its session neither reads nor changes it, nor what the client
/// has, whatever that is: it costs no call to the store.
pub async fn unused_session_is_left_alone(target: &Target) {
    let mut live = target.signed_in().await;
    let cookies = [None, Some(live.live_token()), Some(random::token()), Some("x".to_owned())];
    for cookie in cookies {
        let mut browser = target.browser();
        if let Some(cookie) = &cookie {
            browser.set_token(cookie);
        }
        let response =
            browser.send(Request::get("/api/plain")).await.expect(200).expect_no_cookie();
        assert_eq!(response.text(), "ok", "the body of {response}");
        let source: Vec<_> = response.header("x-session-source").collect();
        assert!(source.iter().all(|source| *source == b"none"), "a session was read in {response}");
    }
    live.me().await;
}

#[track_caller]
fn starts_afresh(response: &Response, brought: &str) {
    assert!([200, 204].contains(&response.status()), "the status of {response}");
    assert_ne!(response.new_token(), brought, "the client's id was adopted in {response}");
}

//! When sessions end by themselves.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::{Response, Target};
use crate::patience::Patience;

/// The clocks of two processes, and how they are rounded.
const SLACK: Duration = Duration::from_millis(50);

/// Between the log-in and whatever else a scenario does first.
const SOON: Duration = Duration::from_secs(60);

/// "Remember me": timeouts given to one session are stored with it, so they hold for its later
/// requests as well, and survive writes and a rotation (row 8).
pub async fn own_timeouts_hold_for_later_requests(target: &Target) {
    const IDLE: Duration = Duration::from_secs(100 * 3_600);
    const ABSOLUTE: Duration = Duration::from_secs(1_000 * 3_600);
    let mut browser = target.signed_in().await;
    let mut usual = target.browser();
    usual.log_in(browser.user()).await;
    let before = usual.me().await;

    browser.put("/api/timeouts", &timeouts(IDLE, ABSOLUTE)).await.expect(204);
    let given = browser.me().await;
    are_from_log_in(&given, IDLE, ABSOLUTE);
    browser.store("name", &json!(1)).await;
    are_from_log_in(&browser.me().await, IDLE, ABSOLUTE);
    browser.post("/api/counter/now").await.expect(200);
    browser.post("/api/rotate").await.expect(204);
    let after = browser.get("/api/me?consistency=strong").await.expect(200);
    are_from_log_in(&after, IDLE, ABSOLUTE);
    assert_eq!(after.member("absolute_deadline"), given.member("absolute_deadline"));

    let mut anonymous = target.browser();
    anonymous.store("name", &json!(1)).await;
    anonymous.put("/api/timeouts", &timeouts(IDLE, ABSOLUTE)).await.expect(204);

    let others = usual.me().await;
    assert_eq!(others.member("absolute_deadline"), before.member("absolute_deadline"));
}

/// A session that nobody uses ends after its idle timeout and not before: as others see it, for
/// its own client, and for good (row 8; ASVS 5.0, 7.3.1).
pub async fn idle_session_ends(target: &Target) {
    let idle = target.idle_timeout();
    let mut browser = target.signed_in().await;
    browser.store("name", &json!(1)).await;
    let token = browser.live_token();
    let handle = browser.me().await.member("handle");
    let mut observer = target.browser();
    observer.log_in(browser.user()).await;

    let begun = Instant::now();
    browser.put("/api/timeouts", &timeouts(idle, idle * 1_000)).await.expect(204);
    let given = Instant::now();
    let patience = Patience::new(idle + target.deadline());
    loop {
        let unused = given.elapsed();
        let devices = observer.get("/api/devices").await.expect(200).json();
        if devices.as_array().into_iter().flatten().all(|device| device["handle"] != handle) {
            break;
        }
        let expired = unused > idle + SLACK;
        assert!(!expired, "a session is there {unused:?} after its last use, over its {idle:?}");
        patience.wait_for("an idle session to end").await;
    }
    let lived = begun.elapsed();
    assert!(lived + SLACK >= idle, "a session ended after {lived:?}, its timeout is {idle:?}");
    browser.expect_dead(&token).await;
    browser.set_token(&token);
    assert_eq!(browser.stored("name").await, None);
    browser.set_token(&token);
    assert_ne!(browser.store("new", &json!(1)).await.new_token(), token);
    observer.me().await;
}

/// A session in constant use outlives its idle timeout, but never its absolute one (row 8; ASVS
/// 5.0, 7.3.2; tower-sessions 0.4.3 went on serving expired sessions). Since servers do not note
/// each single use, it may end half an idle timeout early.
pub async fn activity_never_extends_the_absolute_timeout(target: &Target) {
    const ATTEMPTS: usize = 5;
    for _ in 0..ATTEMPTS {
        if was_in_constant_use(target).await {
            return;
        }
    }
    panic!("this machine is too slow to use a session every {:?}", target.idle_timeout() / 3);
}

/// Impossible timeouts are refused, and the session stays as it is.
pub async fn impossible_timeouts_change_nothing(target: &Target) {
    let mut browser = target.signed_in().await;
    let before = browser.me().await;
    let impossible = [
        json!({ "idle_ms": 2_000_000, "absolute_ms": 1_000_000 }),
        json!({ "idle_ms": 0, "absolute_ms": 1_000_000 }),
        json!({ "idle_ms": 0, "absolute_ms": 0 }),
        json!({ "idle_ms": -1, "absolute_ms": 1_000_000 }),
        json!({ "idle_ms": 1_000, "absolute_ms": u64::MAX }),
        json!({ "idle_ms": 1e308, "absolute_ms": 1e308 }),
        json!({ "idle_ms": 1.5, "absolute_ms": 1_000_000 }),
        json!({ "idle_ms": "1000", "absolute_ms": "1000000" }),
        json!({ "idle_ms": 1_000 }),
        json!({}),
        json!([]),
        Value::Null,
    ];
    for timeouts in impossible {
        browser
            .put("/api/timeouts", &timeouts)
            .await
            .expect_error(400, "bad_request")
            .expect_no_cookie();
    }
    let after = browser.me().await;
    for member in ["handle", "idle_deadline", "absolute_deadline"] {
        assert_eq!(before.member(member), after.member(member), "{member} after bad timeouts");
    }
}

/// Uses a session without pause until it ends. False if there was a pause after all.
async fn was_in_constant_use(target: &Target) -> bool {
    let idle = target.idle_timeout();
    let absolute = idle * 3;
    let mut browser = target.signed_in().await;
    let token = browser.live_token();
    let begun = Instant::now();
    browser.put("/api/timeouts", &timeouts(idle, absolute)).await.expect(204);
    let given = Instant::now();
    let deadline = browser.me().await.member("absolute_deadline");

    let patience = Patience::new(absolute + target.deadline());
    let mut used = Instant::now();
    let mut longest_pause = Duration::ZERO;
    loop {
        let asked = Instant::now();
        let response = browser.get("/api/me").await;
        // Whoever is kept waiting does not use it either.
        longest_pause = longest_pause.max(used.elapsed());
        used = Instant::now();
        if response.status() == 401 {
            response.expect_anonymous().expect_cleared();
            break;
        }
        let me = response.expect(200);
        assert_eq!(me.member("absolute_deadline"), deadline, "the absolute deadline moved in {me}");
        assert!(me.time_member("idle_deadline") <= me.time_member("absolute_deadline"), "in {me}");
        let age = asked - given;
        assert!(age <= absolute + SLACK, "a session was served {age:?} after it began: {me}");
        patience.wait_for("a session to reach its absolute timeout").await;
    }
    let lived = begun.elapsed();
    if lived + idle / 2 < absolute {
        let paused = longest_pause > idle / 3;
        assert!(
            paused,
            "a session in constant use ended after {lived:?}, long before {absolute:?}"
        );
        return false;
    }
    browser.expect_dead(&token).await;
    true
}

fn timeouts(idle: Duration, absolute: Duration) -> Value {
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    json!({ "idle_ms": millis(idle), "absolute_ms": millis(absolute) })
}

#[track_caller]
fn are_from_log_in(me: &Response, idle: Duration, absolute: Duration) {
    let begun = me.time_member("authenticated_at");
    for (member, timeout) in [("idle_deadline", idle), ("absolute_deadline", absolute)] {
        let lasts = me.time_member(member).duration_since(begun).unwrap_or_default();
        let is_own = (timeout..timeout + SOON).contains(&lasts);
        assert!(is_own, "{member} is {lasts:?} after the log-in, not {timeout:?}, in {me}");
    }
}

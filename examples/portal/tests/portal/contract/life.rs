use serde_json::{Value, json};

use crate::frameworks::Framework;
use crate::patience::until;
use crate::process::Portal;

pub(crate) async fn rotate_moves_the_session_to_a_new_id(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.signed_in("u1001").await;
    client.put("/api/data/kept", &json!(1)).await.expect(204);
    let old = client.cookie().expect("a cookie").to_owned();
    client.post("/api/rotate").await.expect(204);
    assert_ne!(client.cookie(), Some(&*old));
    assert_eq!(client.get("/api/data/kept").await.expect(200).json(), 1);
    client.set_cookie(&old);
    client.get("/api/me").await.expect_error(401, "no_session").expect_cleared();
}

pub(crate) async fn rotate_without_a_session_does_nothing(on: Framework) {
    let portal = Portal::start_on(on).await;
    portal.client().post("/api/rotate").await.expect(204).expect_no_cookie();
    let mut unknown = portal.client();
    unknown.set_cookie("id=x");
    unknown.post("/api/rotate").await.expect(204).expect_cleared();
}

pub(crate) async fn timeouts_hold_for_this_session_only(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.signed_in("u1001").await;
    let mut other = portal.signed_in("u1001").await;
    let before = other.get("/api/me").await.expect(200).json();

    let asked = json!({ "idle_ms": 3_600_000, "absolute_ms": 864_000_000 });
    let answer = client.put("/api/timeouts", &asked).await.expect(204);
    // "Remember me": kept by the browser for as long as the session lives.
    let set = answer.set_cookie().unwrap_or_default();
    assert!(set.contains("Max-Age=3600"), "{answer}");
    let me = client.get("/api/me").await.expect(200).json();
    assert!(millis(&me["idle_deadline"]) - millis(&me["created_at"]) >= 3_600_000);
    assert!(millis(&me["absolute_deadline"]) - millis(&me["created_at"]) >= 864_000_000);

    let after = other.get("/api/me").await.expect(200).json();
    assert_eq!(before["absolute_deadline"], after["absolute_deadline"]);
}

pub(crate) async fn a_session_ends_after_its_timeout(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.signed_in("u1001").await;
    let mut observer = portal.signed_in("u1001").await;
    let asked = json!({ "idle_ms": 100, "absolute_ms": 10_000 });
    client.put("/api/timeouts", &asked).await.expect(204);
    until("the session has ended", async || {
        let devices = observer.get("/api/devices").await.expect(200).json();
        devices.as_array().is_some_and(|devices| devices.len() == 1)
    })
    .await;
    client.get("/api/me").await.expect_error(401, "no_session").expect_cleared();
}

pub(crate) async fn impossible_timeouts_are_refused(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.signed_in("u1001").await;
    let before = client.get("/api/me").await.expect(200).json();
    for asked in [
        json!({ "idle_ms": 2_000, "absolute_ms": 1_000 }),
        json!({ "idle_ms": 0, "absolute_ms": 1_000 }),
        json!({ "idle_ms": 1_000, "absolute_ms": u64::MAX }),
        json!({ "idle_ms": -1, "absolute_ms": 1_000 }),
        json!({ "idle_ms": 0.5, "absolute_ms": 1_000 }),
        json!({ "idle_ms": "1000", "absolute_ms": "1000" }),
        json!({ "idle_ms": 1_000 }),
        json!({}),
        json!([]),
        Value::Null,
    ] {
        let answer = client.put("/api/timeouts", &asked).await;
        answer.expect_error(400, "bad_request").expect_no_cookie();
    }
    assert_eq!(client.get("/api/me").await.expect(200).json(), before);
    let fine = json!({ "idle_ms": 1_000, "absolute_ms": 1_000 });
    let answer = portal.client().put("/api/timeouts", &fine).await;
    answer.expect_error(401, "no_session").expect_no_cookie();
}

fn millis(time: &Value) -> u128 {
    let time = humantime::parse_rfc3339(time.as_str().expect("a time")).expect("an RFC 3339 time");
    time.duration_since(std::time::UNIX_EPOCH).expect("a time after 1970").as_millis()
}

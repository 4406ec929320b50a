//! Two portals with the same sessions.

use std::collections::BTreeSet;

use serde_json::json;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::configured::Configured;
use crate::frameworks::Framework;
use crate::patience::until_loaded;

const TASKS: usize = 64;
const INCREMENTS: usize = 20;
pub(crate) const TOTAL: u64 = (TASKS * INCREMENTS) as u64;

pub(crate) async fn two_portals(config: &str) -> [Configured; 2] {
    two_portals_on([Framework::Axum; 2], config).await
}

pub(crate) async fn two_portals_on([a, b]: [Framework; 2], config: &str) -> [Configured; 2] {
    // Dozens of requests at once, on a machine that others use too, need not all be fast.
    let patient = [("SESSION__STORES__MAIN__TIMEOUT", "10s")];
    [
        Configured::start_on(a, config, &patient).await,
        Configured::start_on(b, config, &patient).await,
    ]
}

/// The same cookie, sent to another portal.
pub(crate) fn same_person(client: &Client, configured: &Configured) -> Client {
    let mut same = configured.portal.client();
    same.set_cookie(client.cookie().expect("a cookie"));
    same
}

/// Counts to [`TOTAL`], half on each.
pub(crate) async fn count(a: &Client, b: &Client) {
    increments("/api/counter", 204, a, b).await;
}

/// Counts [`TOTAL`] further, half on each; every value on the way is returned once.
pub(crate) async fn count_now(a: &Client, b: &Client) {
    let values = increments("/api/counter/now", 200, a, b).await;
    let values: BTreeSet<u64> = values.into_iter().flatten().collect();
    assert_eq!(values, (TOTAL + 1..=2 * TOTAL).collect(), "each value is returned once");
}

/// Half of the tasks ask the one portal, half the other. Returns what they were told, if anything.
async fn increments(path: &'static str, status: u16, a: &Client, b: &Client) -> Vec<Option<u64>> {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let mut client = if task % 2 == 0 { a.clone() } else { b.clone() };
        tasks.spawn(async move {
            let mut values = Vec::with_capacity(INCREMENTS);
            for _ in 0..INCREMENTS {
                let answer = client.post(path).await.expect(status).expect_no_cookie();
                values.push((status == 200).then(|| answer.json()["value"].as_u64()).flatten());
            }
            values
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

/// Every increment counts, on whichever portal and in whichever way it is made.
pub(crate) async fn no_increment_is_lost(config: &str) {
    no_increment_is_lost_on([Framework::Axum; 2], config).await;
}

pub(crate) async fn no_increment_is_lost_on(frameworks: [Framework; 2], config: &str) {
    let [a, b] = two_portals_on(frameworks, config).await;
    let mut on_a = a.portal.signed_in("u1001").await;
    let mut on_b = same_person(&on_a, &b);

    count(&on_a, &on_b).await;
    for client in [&mut on_a, &mut on_b] {
        assert_eq!(client.get("/api/counter").await.expect(200).json()["value"], TOTAL);
    }
    count_now(&on_a, &on_b).await;
}

/// What was signed out on one portal is refused by the other one at once.
pub(crate) async fn a_log_out_holds_on_both(config: &str) {
    let [a, b] = two_portals(config).await;
    for round in 0..50 {
        let mut on_a = a.portal.signed_in(&format!("u{round}")).await;
        let mut on_b = same_person(&on_a, &b);
        on_b.get("/api/me").await.expect(200);
        on_a.post("/api/logout").await.expect(204);
        on_b.get("/api/me").await.expect_error(401, "no_session").expect_cleared();
    }
}

/// Slow requests on one portal have read their sessions, and then everybody signs out on the other one:
/// nothing of what they have left to write brings a session back.
pub(crate) async fn slow_requests_bring_nobody_back(config: &str) {
    const PEOPLE: usize = 8;
    let [a, b] = two_portals(config).await;
    let mut people = Vec::with_capacity(PEOPLE);
    for number in 0..PEOPLE {
        people.push(a.portal.signed_in(&format!("u{number}")).await);
    }
    let mut writing = JoinSet::new();
    for mut slow in people.clone() {
        writing.spawn(async move {
            slow.post_json("/api/slow?name=late&ms=2000", &json!("written")).await
        });
    }
    until_loaded(&mut a.portal.client(), PEOPLE).await;
    for on_a in &people {
        same_person(on_a, &b).post("/api/logout").await.expect(204).expect_cleared();
    }
    while let Some(written) = writing.join_next().await {
        written.expect("an answer").expect_error(401, "session_gone").expect_cleared();
    }

    for (number, on_a) in people.iter().enumerate() {
        for configured in [&a, &b] {
            let mut again = same_person(on_a, configured);
            again.get("/api/me").await.expect_error(401, "no_session");
        }
        let mut next = b.portal.signed_in(&format!("u{number}")).await;
        let devices = next.get("/api/devices").await.expect(200).json();
        assert_eq!(devices.as_array().map(Vec::len), Some(1), "{devices}");
    }
}

/// What is listed and revoked are the sessions of both portals.
pub(crate) async fn devices_are_those_of_both(config: &str) {
    let [a, b] = two_portals(config).await;
    let (mut on_a, mut on_b) =
        (a.portal.signed_in("u1001").await, b.portal.signed_in("u1001").await);
    let devices = on_a.get("/api/devices").await.expect(200).json();
    assert_eq!(devices.as_array().map(Vec::len), Some(2), "{devices}");
    let revoked = on_a.post("/api/devices/revoke-others").await.expect(200).json();
    assert_eq!(revoked["revoked"], 1);
    on_b.get("/api/me").await.expect_error(401, "no_session");
    on_a.get("/api/me").await.expect(200);
}

//! Two portals with the same sessions.

use std::collections::BTreeSet;

use session_testkit::servers::Redis;
use tokio::task::JoinSet;

use super::{Configured, config_for};
use crate::client::Client;

const TASKS: usize = 64;
const INCREMENTS: usize = 20;
const TOTAL: usize = TASKS * INCREMENTS;

#[tokio::test(flavor = "multi_thread")]
async fn no_increment_is_lost_between_them() {
    let redis = Redis::start().await;
    let [a, b] = two_portals(&redis).await;
    let mut on_a = a.portal.signed_in("u1001").await;
    let mut on_b = same_person(&on_a, &b);

    increments("/api/counter", 204, &on_a, &on_b).await;
    for client in [&mut on_a, &mut on_b] {
        assert_eq!(client.get("/api/counter").await.expect(200).json()["value"], TOTAL);
    }

    let values = increments("/api/counter/now", 200, &on_a, &on_b).await;
    let values: BTreeSet<u64> = values.into_iter().flatten().collect();
    let (first, last) = (TOTAL as u64 + 1, 2 * TOTAL as u64);
    assert_eq!(values, (first..=last).collect(), "each value is returned once");
}

#[tokio::test]
async fn who_signs_out_on_one_is_refused_by_the_other_at_once() {
    let redis = Redis::start().await;
    let [a, b] = two_portals(&redis).await;
    for round in 0..50 {
        let mut on_a = a.portal.signed_in(&format!("u{round}")).await;
        let mut on_b = same_person(&on_a, &b);
        on_b.get("/api/me").await.expect(200);
        on_a.post("/api/logout").await.expect(204);
        on_b.get("/api/me").await.expect_error(401, "no_session").expect_cleared();
    }
}

#[tokio::test]
async fn devices_are_those_of_both() {
    let redis = Redis::start().await;
    let [a, b] = two_portals(&redis).await;
    let (mut on_a, mut on_b) =
        (a.portal.signed_in("u1001").await, b.portal.signed_in("u1001").await);
    let devices = on_a.get("/api/devices").await.expect(200).json();
    assert_eq!(devices.as_array().map(Vec::len), Some(2), "{devices}");
    let revoked = on_a.post("/api/devices/revoke-others").await.expect(200).json();
    assert_eq!(revoked["revoked"], 1);
    on_b.get("/api/me").await.expect_error(401, "no_session");
    on_a.get("/api/me").await.expect(200);
}

async fn two_portals(redis: &Redis) -> [Configured; 2] {
    // Dozens of requests at once, on a machine that others use too, need not all be fast.
    let patient = [("SESSION__STORES__MAIN__TIMEOUT", "10s")];
    let config = config_for(redis);
    [
        Configured::start_with(&config, &patient).await,
        Configured::start_with(&config, &patient).await,
    ]
}

/// The same cookie, sent to another portal.
fn same_person(client: &Client, configured: &Configured) -> Client {
    let mut same = configured.portal.client();
    same.set_cookie(client.cookie().expect("a cookie"));
    same
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

//! Two portals with the same sessions and a cache each.

use session_testkit::servers::Redis;
use tokio::time::{Duration, Instant};

use super::{D, cached_config_for, until_local};
use crate::client::Client;
use crate::frameworks::Framework;
use crate::nodes::{TOTAL, count, count_now, same_person, two_portals, two_portals_on};
use crate::patience::until_within;

/// What a busy machine may add to the bound.
const SLACK: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn no_increment_is_lost_between_them() {
    no_increment_is_lost_on(Framework::Axum).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_actix_no_increment_is_lost_between_them() {
    no_increment_is_lost_on(Framework::Actix).await;
}

async fn no_increment_is_lost_on(framework: Framework) {
    let redis = Redis::start().await;
    let [a, b] = two_portals_on([framework; 2], &cached_config_for(&redis)).await;
    let mut on_a = a.portal.signed_in("u1001").await;
    let mut on_b = same_person(&on_a, &b);

    count(&on_a, &on_b).await;
    for client in [&mut on_a, &mut on_b] {
        until_counted(client, TOTAL).await;
    }
    count_now(&on_a, &on_b).await;
    for client in [&mut on_a, &mut on_b] {
        until_counted(client, 2 * TOTAL).await;
    }
}

/// A node may learn late of what the other one has counted last.
async fn until_counted(client: &mut Client, total: u64) {
    until_within(D + SLACK, "everything is counted", async || {
        let counter = client.get("/api/counter").await.expect(200).json();
        let value = counter["value"].as_u64().expect("a number");
        assert!(value <= total, "{value} is more than {total}");
        value == total
    })
    .await;
}

#[tokio::test]
async fn who_signs_out_on_one_is_refused_by_the_other_in_time() {
    log_outs_hold_in_time_on(Framework::Axum).await;
}

#[tokio::test]
async fn on_actix_who_signs_out_on_one_is_refused_by_the_other_in_time() {
    log_outs_hold_in_time_on(Framework::Actix).await;
}

async fn log_outs_hold_in_time_on(framework: Framework) {
    const ROUNDS: usize = 100;
    let redis = Redis::start().await;
    let [a, b] = two_portals_on([framework; 2], &cached_config_for(&redis)).await;
    let mut delays = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let mut on_a = a.portal.signed_in(&format!("u{round}")).await;
        let mut on_b = same_person(&on_a, &b);
        until_local(&mut on_b).await;
        on_a.post("/api/logout").await.expect(204);
        delays.push(until_refused(&mut on_b).await);
    }
    delays.sort_unstable();
    let [p50, p99, max] = [ROUNDS / 2, ROUNDS * 99 / 100 - 1, ROUNDS - 1].map(|at| delays[at]);
    println!("refused by the other node: half within {p50:?}, 99 % within {p99:?}, all {max:?}");
}

#[tokio::test]
async fn devices_revoked_on_one_are_refused_by_the_other_in_time() {
    let redis = Redis::start().await;
    let [a, b] = two_portals(&cached_config_for(&redis)).await;
    for round in 0..10 {
        let user = format!("u{round}");
        let (mut on_a, mut on_b) =
            (a.portal.signed_in(&user).await, b.portal.signed_in(&user).await);
        let mut first_on_b = same_person(&on_a, &b);
        until_local(&mut on_b).await;
        until_local(&mut first_on_b).await;
        let revoked = on_a.post("/api/devices/revoke-all").await.expect(200).json();
        assert_eq!(revoked["revoked"], 2);
        for client in [&mut on_b, &mut first_on_b] {
            until_refused(client).await;
        }
    }
}

/// Asks until nobody is signed in any more, and returns how long that took from now on. Whoever
/// asks later than the bound allows is not answered.
async fn until_refused(client: &mut Client) -> Duration {
    let acknowledged = Instant::now();
    loop {
        let asked = acknowledged.elapsed();
        let answer = client.get("/api/me").await;
        if answer.status != 200 {
            answer.expect_error(401, "no_session").expect_cleared();
            let took = acknowledged.elapsed();
            assert!(took < D + SLACK, "refused after {took:?}");
            return took;
        }
        assert!(asked <= D, "answered {asked:?} after the log-out");
    }
}

//! Two portals with the same sessions.

use session_testkit::servers::Redis;

use super::config_for;
use crate::nodes::{TOTAL, count, count_now, same_person, two_portals};

#[tokio::test(flavor = "multi_thread")]
async fn no_increment_is_lost_between_them() {
    let redis = Redis::start().await;
    let [a, b] = two_portals(&config_for(&redis)).await;
    let mut on_a = a.portal.signed_in("u1001").await;
    let mut on_b = same_person(&on_a, &b);

    count(&on_a, &on_b).await;
    for client in [&mut on_a, &mut on_b] {
        assert_eq!(client.get("/api/counter").await.expect(200).json()["value"], TOTAL);
    }
    count_now(&on_a, &on_b).await;
}

#[tokio::test]
async fn who_signs_out_on_one_is_refused_by_the_other_at_once() {
    let redis = Redis::start().await;
    let [a, b] = two_portals(&config_for(&redis)).await;
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
    let [a, b] = two_portals(&config_for(&redis)).await;
    let (mut on_a, mut on_b) =
        (a.portal.signed_in("u1001").await, b.portal.signed_in("u1001").await);
    let devices = on_a.get("/api/devices").await.expect(200).json();
    assert_eq!(devices.as_array().map(Vec::len), Some(2), "{devices}");
    let revoked = on_a.post("/api/devices/revoke-others").await.expect(200).json();
    assert_eq!(revoked["revoked"], 1);
    on_b.get("/api/me").await.expect_error(401, "no_session");
    on_a.get("/api/me").await.expect(200);
}

use serde_json::json;

use crate::frameworks::Framework;
use crate::process::Portal;

pub(crate) async fn the_counter_begins_at_zero_and_counts(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.client();
    let answer = client.get("/api/counter").await.expect(200).expect_no_cookie();
    assert_eq!(answer.json(), json!({ "value": 0 }));
    client.post("/api/counter").await.expect(204);
    client.post("/api/counter").await.expect(204);
    assert_eq!(client.post("/api/counter/now").await.expect(200).json(), json!({ "value": 3 }));
    assert_eq!(client.get("/api/counter").await.expect(200).json(), json!({ "value": 3 }));
}

pub(crate) async fn counting_begins_a_session(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.client();
    assert_eq!(client.post("/api/counter/now").await.expect(200).json(), json!({ "value": 1 }));
    assert!(client.cookie().is_some());
}

pub(crate) async fn no_increment_is_lost_and_no_value_told_twice(on: Framework) {
    const AT_ONCE: usize = 32;
    let portal = Portal::start_on(on).await;
    let mut client = portal.signed_in("u1001").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let mut client = client.clone();
        tasks.spawn(async move {
            client.post("/api/counter").await.expect(204);
            client.post("/api/counter/now").await.expect(200).json()["value"].as_u64()
        });
    }
    let mut values = tasks.join_all().await;
    values.sort_unstable();
    values.dedup();
    assert_eq!(values.len(), AT_ONCE);
    let counter = client.get("/api/counter").await.expect(200).json();
    assert_eq!(counter, json!({ "value": 2 * AT_ONCE }));
}

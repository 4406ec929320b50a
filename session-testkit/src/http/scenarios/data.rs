//! What a session holds: every value as it was stored, and none lost to somebody else's write.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::super::tasks::all;
use super::super::{Request, Target};

/// A JSON value comes back as it was stored, is overwritten by the next and can be removed.
pub async fn values_come_back_as_stored(target: &Target) {
    let mut browser = target.browser();
    let values = [
        json!(null),
        json!(false),
        json!(0),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.1),
        json!(""),
        json!("täglich \u{1f375}\u{0}\n\"\\"),
        json!([]),
        json!([[1, [2, [3]]], {}, null]),
        json!({ "": 1, "a b": { "c": [true] }, "ü": null }),
    ];
    for value in &values {
        browser.store("value", value).await;
        assert_eq!(browser.stored("value").await.as_ref(), Some(value));
    }
    browser.delete("/api/data/value").await.expect(204);
    assert_eq!(browser.stored("value").await, None);
    browser.delete("/api/data/value").await.expect(204);
    let response = browser.send(Request::new("PUT", "/api/data/value").body("{\"half\":")).await;
    response.expect_error(400, "bad_request");
    assert_eq!(browser.stored("value").await, None);
}

/// Data may have any name, also one that the service might use itself: neither the counter nor who
/// is signed in is changed by it, and nothing is lost for being of another type than expected.
pub async fn names_do_not_collide(target: &Target) {
    let mut browser = target.signed_in().await;
    let names = [
        "counter",
        "count",
        "value",
        "visits",
        "user",
        "subject",
        "device",
        "created_at",
        "data",
        "csrf",
        "id",
        "session",
        "_",
        "a.b",
        "A.B",
        "a:b",
        "a%2Fb",
        "..%2F..",
        "%7Btag%7D",
        "%C3%BC",
    ];
    for name in names {
        browser.store(name, &json!({ "text": name })).await;
    }
    for _ in 0..2 {
        browser.post("/api/counter").await.expect(204);
    }
    assert_eq!(browser.post("/api/counter/now").await.expect(200).number_member("value"), 3);
    browser.me().await;
    for name in names {
        let stored = browser.stored(name).await;
        assert_eq!(stored, Some(json!({ "text": name })), "the data called {name:?}");
    }
    assert_eq!(browser.get("/api/counter").await.expect(200).number_member("value"), 3);
}

/// Requests that store under different names, begun at the same time: all are answered 204, and
/// every value is there afterwards.
pub async fn concurrent_writes_of_different_names_survive(target: &Target) {
    const WRITERS: usize = 32;
    let mut browser = target.signed_in().await;
    browser.store("earlier", &json!("kept")).await;
    let start = Arc::new(Barrier::new(WRITERS));
    let writers = (0..WRITERS).map(|writer| {
        let mut twin = browser.twin();
        let start = Arc::clone(&start);
        async move {
            twin.open().await;
            start.wait().await;
            twin.store(&format!("name{writer}"), &json!(writer)).await;
        }
    });
    all(writers).await;
    for writer in 0..WRITERS {
        let stored = browser.stored(&format!("name{writer}")).await;
        assert_eq!(stored, Some(json!(writer)), "what writer {writer} stored was overwritten");
    }
    assert_eq!(browser.stored("earlier").await, Some(json!("kept")));
    browser.me().await;
}

/// A request that has loaded the session and takes its time writes its own value only: what others
/// stored and removed meanwhile stays so.
pub async fn slow_write_loses_nothing(target: &Target) {
    // Where the quick ones were held up for longer than the slow one, again.
    for ms in [400, 1_600, 6_400] {
        if a_slow_write_loses_nothing(target, ms).await {
            return;
        }
    }
    panic!("the slow write was not slow: is `ms` of /api/slow ignored?");
}

/// Whether others were answered while the slow one was on its way.
async fn a_slow_write_loses_nothing(target: &Target, ms: u64) -> bool {
    let mut browser = target.signed_in().await;
    browser.store("removed", &json!(1)).await;
    browser.store("changed", &json!("before")).await;
    let mut slow = browser.twin();
    let writing = tokio::spawn(async move {
        let request = Request::post(format!("/api/slow?name=slow&ms={ms}")).json(&json!("slow"));
        slow.send(request).await.expect(204);
    });
    let mut rounds = 0;
    let mut were_quick = false;
    loop {
        browser.store("changed", &json!(rounds)).await;
        browser.delete("/api/data/removed").await.expect(204);
        browser.post("/api/counter").await.expect(204);
        rounds += 1;
        if writing.is_finished() {
            break;
        }
        were_quick = true;
    }
    writing.await.expect("the slow write is answered 204");
    let stored: [Option<Value>; 3] = [
        browser.stored("slow").await,
        browser.stored("changed").await,
        browser.stored("removed").await,
    ];
    assert_eq!(stored, [Some(json!("slow")), Some(json!(rounds - 1)), None]);
    let counter = browser.get("/api/counter").await.expect(200);
    assert_eq!(counter.number_member("value"), rounds);
    were_quick
}

use serde_json::{Value, json};

use crate::frameworks::Framework;
use crate::patience::until_loaded;
use crate::process::Portal;

const LIMIT: usize = 64 * 1024;

pub(crate) async fn values_are_stored_replaced_and_removed(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.client();
    client.get("/api/data/name").await.expect_error(404, "not_found").expect_no_cookie();
    client.delete("/api/data/name").await.expect(204).expect_no_cookie();

    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    // The last bit of which is easily lost.
    let numbers = json!([0.945_270_695_553_922_3, 1e23, 5e-324, f64::MAX, u64::MAX, i64::MIN]);
    for value in [json!(null), json!({ "a": [1, 2.5, "ü\0"] }), numbers, deep] {
        client.put("/api/data/name", &value).await.expect(204);
        let answer = client.get("/api/data/name").await.expect(200);
        assert_eq!(answer.text(), value.to_string());
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    client.delete("/api/data/name").await.expect(204);
    client.get("/api/data/name").await.expect_error(404, "not_found");
}

pub(crate) async fn what_is_not_json_is_refused(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.client();
    let too_deep = "[".repeat(200) + &"]".repeat(200);
    for body in ["", "{", "1 2", "nul", "{\"a\":}", "\u{feff}1", &too_deep] {
        let answer = client.send("PUT", "/api/data/name", &[], body.to_owned()).await;
        answer.expect_error(400, "bad_request").expect_no_cookie();
    }
    let answer = client.send("PUT", "/api/data/name", &[], vec![b'"', 0xff, b'"']).await;
    answer.expect_error(400, "bad_request");
}

/// None is one of the portal's own fields, such as the counter.
pub(crate) async fn names_are_bounded_and_keep_out_of_the_way(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.signed_in("u1001").await;
    let longest = "x".repeat(64);
    for name in ["counter", "_flash", "a.b-c_D9", "%C3%BC", "a%2Fb", &longest] {
        client.put(&format!("/api/data/{name}"), &json!(name)).await.expect(204);
        assert_eq!(client.get(&format!("/api/data/{name}")).await.expect(200).json(), name);
    }
    assert_eq!(client.get("/api/counter").await.expect(200).json()["value"], 0);
    client.get("/").await.expect(200);
    client.get("/api/me").await.expect(200);

    for name in ["%00", "a%0Ab", "%FF", &format!("{longest}x")] {
        let path = format!("/api/data/{name}");
        client.get(&path).await.expect_error(400, "bad_request");
        client.put(&path, &json!(1)).await.expect_error(400, "bad_request");
        client.delete(&path).await.expect_error(400, "bad_request");
    }
    client.get("/api/data/").await.expect_error(404, "not_found");
    client.get("/api/data").await.expect_error(404, "not_found");
}

pub(crate) async fn a_value_has_64_kib_at_most(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.client();
    client.put("/api/data/name", &text(LIMIT)).await.expect(204);
    for bytes in [LIMIT + 1, 4 * LIMIT] {
        let answer = client.put("/api/data/name", &text(bytes)).await;
        answer.expect_error(413, "too_large").expect_no_cookie();
        let mut stranger = portal.client();
        let answer = stranger.put("/api/data/name", &text(bytes)).await;
        answer.expect_error(413, "too_large").expect_no_cookie();
    }
    assert_eq!(client.get("/api/data/name").await.expect(200).json(), text(LIMIT));
}

pub(crate) async fn a_full_session_keeps_what_it_has(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.client();
    let mut held = 0;
    loop {
        let answer = client.put(&format!("/api/data/value{held}"), &text(LIMIT)).await;
        if answer.status != 204 {
            answer.expect_error(413, "too_large").expect_no_cookie();
            break;
        }
        held += 1;
    }
    assert!(held > 1);
    client.get(&format!("/api/data/value{held}")).await.expect_error(404, "not_found");
    client.delete("/api/data/value0").await.expect(204);
    client.put(&format!("/api/data/value{held}"), &text(LIMIT)).await.expect(204);
    assert_eq!(client.get("/api/data/value1").await.expect(200).json(), text(LIMIT));
}

pub(crate) async fn a_slow_write_comes_on_top_of_the_others(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.client();
    client.post_json("/api/slow?name=first&ms=1", &json!("slow")).await.expect(204);
    assert_eq!(client.get("/api/data/first").await.expect(200).json(), "slow");

    let mut slow = client.clone();
    let writing = async { slow.post_json("/api/slow?name=slow&ms=1000", &json!([1])).await };
    let meanwhile = async {
        until_loaded(&mut client, 2).await;
        client.put("/api/data/other", &json!(2)).await.expect(204);
        client.delete("/api/data/first").await.expect(204);
    };
    let (written, ()) = tokio::join!(writing, meanwhile);
    written.expect(204);
    assert_eq!(client.get("/api/data/slow").await.expect(200).json(), json!([1]));
    assert_eq!(client.get("/api/data/other").await.expect(200).json(), 2);
    client.get("/api/data/first").await.expect_error(404, "not_found");
}

pub(crate) async fn a_slow_write_does_not_bring_a_session_back(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.signed_in("u1001").await;
    let mut slow = client.clone();
    let writing = async { slow.post_json("/api/slow?name=slow&ms=1000", &json!(1)).await };
    let meanwhile = async {
        until_loaded(&mut client, 1).await;
        client.post("/api/logout").await.expect(204);
    };
    let (written, ()) = tokio::join!(writing, meanwhile);
    written.expect_error(401, "session_gone").expect_cleared();
    assert_eq!(slow.cookie(), None);
    let mut next = portal.signed_in("u1001").await;
    let devices = next.get("/api/devices").await.expect(200).json();
    assert_eq!(devices.as_array().map(Vec::len), Some(1));
}

pub(crate) async fn a_slow_write_says_what_and_how_slowly(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.client();
    for query in [
        "",
        "?name=n",
        "?ms=1",
        "?name=n&ms=soon",
        "?name=n&ms=-1",
        "?name=n&ms=60001",
        "?name=&ms=1",
        "?name=%00&ms=1",
        "?name=n&ms=1&ms=2",
    ] {
        let answer = client.post_json(&format!("/api/slow{query}"), &json!(1)).await;
        answer.expect_error(400, "bad_request").expect_no_cookie();
    }
    let answer = client.send("POST", "/api/slow?name=n&ms=1", &[], "{").await;
    answer.expect_error(400, "bad_request").expect_no_cookie();
}

/// A JSON text of so many bytes.
fn text(bytes: usize) -> Value {
    json!("x".repeat(bytes - 2))
}

//! More than a session takes.

use serde_json::{Value, json};

use super::super::{Request, Target};

/// The most bytes a value may have.
const LIMIT: usize = 64 * 1024;

/// A value of 64 KiB is stored; one byte more is refused with 413, whether its length is told
/// beforehand or not. The session is left as it was, and a visitor without one still has none.
pub async fn too_large_a_value_changes_nothing(target: &Target) {
    let mut browser = target.signed_in().await;
    let largest = text_of(LIMIT);
    browser.store("value", &largest).await;
    let token = browser.live_token();
    let before = browser.me().await;
    for bytes in [LIMIT + 1, 2 * LIMIT] {
        for request in [too_large(bytes), too_large(bytes).chunked()] {
            let refused = browser.send(request.clone()).await;
            refused.expect_error(413, "too_large").expect_no_cookie();
            assert_eq!(browser.stored("value").await.as_ref(), Some(&largest));
            let mut stranger = target.browser();
            stranger.send(request).await.expect_error(413, "too_large").expect_no_cookie();
        }
    }
    assert_eq!(browser.token(), Some(&*token));
    assert_eq!(browser.me().await.member("handle"), before.member("handle"));
    browser.store("value", &json!("smaller")).await;
    assert_eq!(browser.stored("value").await, Some(json!("smaller")));
    survives_a_huge_body(target).await;
}

/// Values that are legal one by one, until the session is full: the one that no longer fits is
/// refused with 413, and all others are still there. Once one is removed it fits.
pub async fn full_session_keeps_what_it_has(target: &Target) {
    const ENOUGH: usize = 64;
    let mut browser = target.signed_in().await;
    let name = |index: usize| format!("value{index}");
    let mut held = 0;
    let full = loop {
        let request = Request::put(format!("/api/data/{}", name(held)), &text_of(LIMIT));
        let response = browser.send(request).await;
        if response.status() != 204 {
            break response;
        }
        held += 1;
        if held == ENOUGH {
            // A session without a limit of its own.
            return;
        }
    };
    full.expect_error(413, "too_large").expect_no_cookie();
    assert!(held > 0, "not even one value fits");
    for index in 0..held {
        assert_eq!(browser.stored(&name(index)).await, Some(text_of(LIMIT)), "value {index}");
    }
    assert_eq!(browser.stored(&name(held)).await, None);
    browser.delete(&format!("/api/data/{}", name(0))).await.expect(204);
    browser.store(&name(held), &text_of(LIMIT)).await;
    browser.me().await;
}

/// A body far beyond the limit: refused, if need be by hanging up, and the server lives.
async fn survives_a_huge_body(target: &Target) {
    const HUGE: usize = 4 * 1024 * 1024;
    let mut browser = target.signed_in().await;
    for request in [too_large(HUGE), too_large(HUGE).chunked()] {
        let cookie = format!("{}={}", target.cookie_name(), browser.live_token());
        match target.connection().attempt(&request.cookie(cookie)).await {
            Ok(response) => drop(response.expect_error(413, "too_large").expect_no_cookie()),
            Err(refused) => assert!(refused.is_hang_up(), "{refused}"),
        }
        browser.me().await;
        assert_eq!(browser.stored("value").await, None);
    }
}

/// A JSON string that takes so many bytes with its quotes.
fn text_of(bytes: usize) -> Value {
    Value::String("x".repeat(bytes - 2))
}

fn too_large(bytes: usize) -> Request {
    Request::put("/api/data/value", &text_of(bytes))
}

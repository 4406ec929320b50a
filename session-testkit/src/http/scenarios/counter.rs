//! Increments of one session's counter, from many sides at once.

use std::sync::Arc;

use tokio::sync::Barrier;

use super::super::tasks::all;
use super::super::{Response, Target};

const TASKS: usize = 64;
const INCREMENTS: usize = 20;
const TOTAL: u64 = (TASKS * INCREMENTS) as u64;

/// 64 clients with one cookie increment a counter 20 times each: all are answered 204, and it ends
/// at exactly 1,280.
pub async fn counter_loses_no_increment(target: &Target) {
    let mut browser = target.signed_in().await;
    for response in increments(target, &browser.live_token(), "/api/counter").await {
        response.expect(204);
    }
    assert_eq!(browser.get("/api/counter").await.expect(200).number_member("value"), TOTAL);
    browser.me().await;
}

/// The same, each told the value that its increment has stored: no two are told the same, and
/// none is left out.
pub async fn counter_now_returns_each_value_once(target: &Target) {
    let mut browser = target.signed_in().await;
    let responses = increments(target, &browser.live_token(), "/api/counter/now").await;
    let mut values: Vec<u64> =
        responses.into_iter().map(|response| response.expect(200).number_member("value")).collect();
    values.sort_unstable();
    let expected: Vec<u64> = (1..=TOTAL).collect();
    let wrong = values.iter().zip(&expected).find(|(value, expected)| value != expected);
    assert_eq!(wrong, None, "the first value that was returned twice or not at all");
    assert_eq!(values.len(), expected.len());
    assert_eq!(browser.get("/api/counter").await.expect(200).number_member("value"), TOTAL);
}

async fn increments(target: &Target, token: &str, path: &'static str) -> Vec<Response> {
    let start = Arc::new(Barrier::new(TASKS));
    let tasks = (0..TASKS).map(|_| {
        let mut browser = target.browser().with_token(token);
        let start = Arc::clone(&start);
        async move {
            browser.open().await;
            start.wait().await;
            let mut responses = Vec::with_capacity(INCREMENTS);
            for _ in 0..INCREMENTS {
                responses.push(browser.post(path).await);
            }
            responses
        }
    });
    all(tasks).await.into_iter().flatten().collect()
}

//! New ids for old sessions, with other requests under way.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::Barrier;

use super::super::tasks::all;
use super::super::{Request, Response, Target, random};
use super::routes;

/// How many requests meet a rotation.
const PARALLEL: usize = 20;

/// How often they do.
const ROUNDS: usize = 5;

/// What was stored before a rotation, and what is stored after it, is all there: neither order
/// loses anything.
pub async fn rotation_keeps_the_data(target: &Target) {
    let mut browser = target.browser();
    browser.store("before", &json!(1)).await;
    browser.post("/api/rotate").await.expect(204).new_token();
    browser.store("after", &json!(2)).await;
    browser.log_in(&random::user()).await.new_token();
    browser.post("/api/counter").await.expect(204);
    browser.post("/api/rotate").await.expect(204).new_token();
    assert_eq!(browser.stored("before").await, Some(json!(1)));
    assert_eq!(browser.stored("after").await, Some(json!(2)));
    assert_eq!(browser.get("/api/counter").await.expect(200).number_member("value"), 1);
    browser.me().await;
}

/// A rotation with twenty other requests on the same session: one id lives on and the old one is
/// dead. What was acknowledged without a new cookie is in the rotated session.
pub async fn rotation_amid_parallel_requests_loses_nothing(target: &Target) {
    for _ in 0..ROUNDS {
        let mut browser = target.signed_in().await;
        let old = browser.live_token();
        let mut requests: Vec<Request> = (0..PARALLEL)
            .map(|index| match index % 4 {
                0 => Request::get("/api/me"),
                1 => Request::post(format!("/api/slow?name=name{index}&ms=1")).json(&json!(index)),
                _ => Request::put(format!("/api/data/name{index}"), &json!(index)),
            })
            .collect();
        requests.insert(PARALLEL / 2, Request::post("/api/rotate"));
        let mut responses = at_once(target, &old, requests).await;
        responses.sort_by_key(|(index, _)| *index);
        let (_, rotated) = responses.remove(PARALLEL / 2);
        let new = rotated.expect(204).new_token();

        let given: Vec<String> =
            responses.iter().filter_map(|(_, response)| response.given_token()).collect();
        assert_eq!(
            signed_in_among(target, &given).await,
            [] as [String; 0],
            "more than one new id"
        );
        browser.set_token(&new);
        browser.me().await;
        for (index, (_, response)) in
            responses.iter().enumerate().filter(|(index, _)| index % 4 != 0)
        {
            let stored = browser.stored(&format!("name{index}")).await;
            match (response.status(), response.given_token()) {
                (204, None) => assert_eq!(stored, Some(json!(index)), "lost after {response}"),
                (204, Some(_)) => assert_eq!(stored, None, "in two sessions after {response}"),
                _ => {
                    response.clone().expect_error(401, "session_gone").expect_cleared();
                    assert_eq!(stored, None, "stored in spite of {response}");
                }
            }
        }
        browser.twin().expect_dead(&old).await;
    }
}

/// Twenty rotations of one session at the same time: one of them wins, one new id lives, and the
/// old one is dead.
pub async fn one_of_parallel_rotations_wins(target: &Target) {
    for _ in 0..ROUNDS {
        let mut browser = target.signed_in().await;
        browser.store("kept", &json!(1)).await;
        let old = browser.live_token();
        let requests = vec![Request::post("/api/rotate"); PARALLEL];
        let mut given = HashSet::new();
        for (_, response) in at_once(target, &old, requests).await {
            match response.given_token() {
                Some(token) => {
                    given.insert(token);
                    response.expect(204);
                }
                None if response.status() == 204 => drop(response.expect_cleared()),
                None => drop(response.expect_error(401, "session_gone").expect_cleared()),
            }
        }
        assert_eq!(given.len(), 1, "the new ids of one session are {}", given.len());
        browser.twin().expect_dead(&old).await;
        let new = given.into_iter().next().unwrap_or_default();
        browser.set_token(new);
        browser.me().await;
        assert_eq!(browser.stored("kept").await, Some(json!(1)));
        let devices = browser.get("/api/devices").await.expect(200).json();
        assert_eq!(devices.as_array().map(Vec::len), Some(1), "the devices are {devices}");
    }
}

/// Five rotations in a row: each earlier id is dead for every verb. What is done with one never
/// reaches the session, be it reading, writing, rotating or signing out (row 2).
pub async fn rotate_chain_leaves_one_live_id(target: &Target) {
    let mut browser = target.signed_in().await;
    browser.store("kept", &json!(1)).await;
    let mut chain = vec![browser.live_token()];
    for _ in 0..5 {
        chain.push(browser.post("/api/rotate").await.expect(204).new_token());
    }
    let live = chain.pop().unwrap_or_default();
    let distinct: HashSet<&String> = chain.iter().chain([&live]).collect();
    assert_eq!(distinct.len(), chain.len() + 1, "an id came twice");

    for old in &chain {
        for request in routes::using(&random::user()) {
            let mut bearer = target.browser().with_token(old);
            let response = bearer.send(request).await;
            let given = response.given_token();
            assert!(given.is_some() || response.clone().expect_cleared().status() < 500);
            assert!(
                given.is_none_or(|given| !distinct.contains(&given)),
                "an id of the chain in {response}"
            );
            assert_ne!(bearer.stored("kept").await, Some(json!(1)), "after {response}");
        }
        browser.twin().expect_dead(old).await;
    }
    assert_eq!(browser.live_token(), live);
    browser.me().await;
    assert_eq!(browser.stored("kept").await, Some(json!(1)));
    assert_eq!(browser.stored("written").await, None, "what was written under a dead id");
    assert_eq!(browser.get("/api/counter").await.expect(200).number_member("value"), 0);
}

/// Sends each request from a browser of its own, all with `token`.
async fn at_once(target: &Target, token: &str, requests: Vec<Request>) -> Vec<(usize, Response)> {
    let start = Arc::new(Barrier::new(requests.len()));
    let tasks = requests.into_iter().enumerate().map(|(index, request)| {
        let mut browser = target.browser().with_token(token);
        let start = Arc::clone(&start);
        async move {
            browser.open().await;
            start.wait().await;
            (index, browser.send(request).await)
        }
    });
    all(tasks).await
}

async fn signed_in_among(target: &Target, tokens: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for token in tokens {
        let mut browser = target.browser().with_token(token);
        if browser.get("/api/me").await.status() == 200 {
            found.push(token.clone());
        }
    }
    found
}

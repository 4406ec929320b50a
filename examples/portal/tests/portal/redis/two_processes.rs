//! Two portals with the same sessions.

use session_testkit::servers::Redis;

use super::config_for;
use crate::frameworks::Framework;
use crate::nodes;

#[tokio::test(flavor = "multi_thread")]
async fn no_increment_is_lost_between_them() {
    let redis = Redis::start().await;
    nodes::no_increment_is_lost(&config_for(&redis)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_increment_is_lost_on_actix_nor_between_the_two() {
    for frameworks in [[Framework::Actix, Framework::Actix], [Framework::Axum, Framework::Actix]] {
        let redis = Redis::start().await;
        nodes::no_increment_is_lost_on(frameworks, &config_for(&redis)).await;
    }
}

#[tokio::test]
async fn who_signs_out_on_one_is_refused_by_the_other_at_once() {
    let redis = Redis::start().await;
    nodes::a_log_out_holds_on_both(&config_for(&redis)).await;
}

#[tokio::test]
async fn slow_requests_bring_nobody_back() {
    let redis = Redis::start().await;
    nodes::slow_requests_bring_nobody_back(&config_for(&redis)).await;
}

#[tokio::test]
async fn devices_are_those_of_both() {
    let redis = Redis::start().await;
    nodes::devices_are_those_of_both(&config_for(&redis)).await;
}

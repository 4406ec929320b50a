//! Two portals with the same sessions.

use session_testkit::servers::Postgres;

use super::{config_at, file_in};
use crate::nodes;
use crate::process::Directory;

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_no_increment_is_lost_between_them() {
    let postgres = Postgres::start().await;
    nodes::no_increment_is_lost(&config_at(&postgres.url())).await;
}

#[tokio::test]
async fn on_postgres_who_signs_out_on_one_is_refused_by_the_other_at_once() {
    let postgres = Postgres::start().await;
    nodes::a_log_out_holds_on_both(&config_at(&postgres.url())).await;
}

#[tokio::test]
async fn on_postgres_slow_requests_bring_nobody_back() {
    let postgres = Postgres::start().await;
    nodes::slow_requests_bring_nobody_back(&config_at(&postgres.url())).await;
}

#[tokio::test]
async fn on_postgres_devices_are_those_of_both() {
    let postgres = Postgres::start().await;
    nodes::devices_are_those_of_both(&config_at(&postgres.url())).await;
}

/// Two processes, one file.
#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_no_increment_is_lost_between_them() {
    let directory = Directory::new();
    nodes::no_increment_is_lost(&config_at(&file_in(&directory))).await;
}

#[tokio::test]
async fn on_sqlite_slow_requests_bring_nobody_back() {
    let directory = Directory::new();
    nodes::slow_requests_bring_nobody_back(&config_at(&file_in(&directory))).await;
}

#[tokio::test]
async fn on_sqlite_who_signs_out_on_one_is_refused_by_the_other_at_once() {
    let directory = Directory::new();
    nodes::a_log_out_holds_on_both(&config_at(&file_in(&directory))).await;
}

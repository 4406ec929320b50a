//! Servers that do not let a store in, or not far enough.

use std::time::Duration;

use session_core::{ErrorKind, Store as _};
use session_testkit::sample;
use session_testkit::servers::{MariaDb, Postgres};
use tempfile::TempDir;

use super::{assert_all_refused, assert_refused, migrating, open, record};
use crate::fixture;

const UNAVAILABLE: &[ErrorKind] = &[ErrorKind::Unavailable];

pub(super) async fn on_postgres(postgres: &Postgres) {
    let url = postgres.url();
    for role in ["reader", "stranger"] {
        postgres.query(&format!("CREATE ROLE {role} LOGIN PASSWORD 'hunter2'")).await;
    }
    migrating(&url, "logins").migrate().await.unwrap();
    postgres.query("GRANT SELECT ON s_logins TO reader").await;
    for (login, code) in [("app:hunter2", "28P01"), ("nobody:hunter2", "28P01")] {
        let store = open(&with_login(&url, login), "logins");
        assert_codes(&store, code).await;
    }
    assert_codes(&open(&with_login(&url, "stranger:hunter2"), "logins"), "42501").await;
    assert_codes(&open(&with_database(&url, "hunter2"), "logins"), "3D000").await;
    may_only_read(&with_login(&url, "reader:hunter2"), "42501").await;
    unknown_host("postgres://app:hunter2@nowhere.invalid/app").await;
}

pub(super) async fn on_mariadb(mariadb: &MariaDb) {
    let url = mariadb.url();
    migrating(&url, "logins").migrate().await.unwrap();
    mariadb.query("CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'hunter2'").await;
    mariadb.query("GRANT SELECT ON app.* TO reader@'127.0.0.1'").await;
    assert_codes(&open(&with_login(&url, "app:hunter2"), "logins"), "1045").await;
    assert_codes(&open(&with_database(&url, "hunter2"), "logins"), "1044").await;
    may_only_read(&with_login(&url, "reader:hunter2"), "1142").await;
    unknown_host("mysql://app:hunter2@nowhere.invalid/app").await;
}

pub(super) async fn on_sqlite(folder: &TempDir) {
    let path = folder.path().display();
    // A folder that is not there, a file that is not there, and one that is no database.
    let missing = open(&format!("sqlite://{path}/hunter2/sessions.db"), "logins");
    assert_codes(&missing, "14").await;
    assert_codes(&open(&format!("sqlite://{path}/hunter2.db"), "logins"), "14").await;
    assert!(!folder.path().join("hunter2.db").exists(), "a file was made that nobody asked for");
    std::fs::write(folder.path().join("text.db"), "hunter2 ".repeat(1_000)).unwrap();
    let text = open(&format!("sqlite://{path}/text.db"), "logins");
    for error in assert_all_refused(&text, sample::key(), &[ErrorKind::Corrupt]).await {
        assert_eq!(error.context("code"), Some("26"), "{error}");
    }
}

async fn assert_codes(store: &session_sql::SqlStore, code: &str) {
    for error in assert_all_refused(store, sample::key(), UNAVAILABLE).await {
        assert_eq!(error.context("code"), Some(code), "{error}");
    }
}

/// Reads succeed, and all else is refused.
async fn may_only_read(url: &str, code: &str) {
    let (store, key) = (open(url, "logins"), sample::key());
    for (call, answer) in super::call_all(&store, key).await {
        if ["load", "list"].contains(&call) {
            answer.unwrap_or_else(|error| panic!("{call}: {error:?}"));
        } else {
            let error = assert_refused(call, answer, UNAVAILABLE, &store);
            assert_eq!(error.context("code"), Some(code), "{call}: {error}");
            assert!(error.to_string().contains("permission"), "{error}");
        }
    }
    assert_refused("migrate", store.migrate().await, UNAVAILABLE, &store);
    let error = store.create(&key, &record()).await;
    assert_refused("create", error, UNAVAILABLE, &store);
}

async fn unknown_host(url: &str) {
    let builder = fixture::builder(url, "logins").timeout(Duration::from_millis(500));
    let told = format!("{builder:?} {:?}", session_sql::Database::parse(url).unwrap());
    assert!(!told.contains("hunter2") && !told.contains("nowhere"), "{told}");
    let kinds = [ErrorKind::Unavailable, ErrorKind::Timeout];
    assert_all_refused(&builder.build().unwrap(), sample::key(), &kinds).await;
}

fn with_login(url: &str, login: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    format!("{scheme}://{login}@{}", rest.split_once('@').unwrap().1)
}

fn with_database(url: &str, database: &str) -> String {
    format!("{}/{database}", url.rsplit_once('/').unwrap().0)
}

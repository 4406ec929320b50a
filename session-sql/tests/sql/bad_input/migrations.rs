//! How tables are made: by several nodes at once, again, by hand, and not over others.

use futures_util::future::join_all;
use session_core::{ErrorKind, Load, Loaded, Store as _};
use session_testkit::sample;

use super::{assert_refused, assert_works, execute_migrations, migrating, open, record};
use crate::fixture;
use crate::outsider::Outsider;

pub(super) async fn check(url: &str) {
    several_nodes_at_once(url).await;
    by_hand(url).await;
    by_a_newer_version(url).await;
    not_over_somebody_elses(url).await;
}

async fn several_nodes_at_once(url: &str) {
    let nodes: Vec<_> = (0..6).map(|_| migrating(url, "nodes")).collect();
    // Some do so because they were told to, some because they need it.
    let migrations = nodes.iter().enumerate().map(|(number, store)| async move {
        if number % 2 == 0 {
            store.migrate().await.unwrap();
        } else {
            let loaded = store.load(&sample::key(), Load::default()).await.unwrap();
            assert!(matches!(loaded, Loaded::Absent));
        }
    });
    join_all(migrations).await;
    for store in &nodes {
        store.migrate().await.unwrap();
        assert_works(store).await;
    }
    assert_works(&open(url, "nodes")).await;
}

async fn by_hand(url: &str) {
    let mut database = Outsider::connect(url).await;
    execute_migrations(&mut database, url, "hand").await;
    let store = open(url, "hand");
    let key = sample::key();
    store.create(&key, &record()).await.unwrap();
    assert_works(&store).await;

    // Then it is not for a store to make them.
    let refused = store.migrate().await;
    let error = assert_refused("migrate", refused, &[ErrorKind::Misconfigured], &store);
    assert!(error.to_string().contains("by hand"), "{error}");
    let loaded = store.load(&key, Load::default()).await.unwrap();
    assert!(matches!(loaded, Loaded::Found { .. }), "migrating has touched the table");
    assert_works(&store).await;
}

async fn by_a_newer_version(url: &str) {
    let store = migrating(url, "newer");
    store.migrate().await.unwrap();
    let mut database = Outsider::connect(url).await;
    let bookkeeping = format!("{}_migrations", fixture::table("newer"));
    database
        .execute(&format!(
            "INSERT INTO {bookkeeping} (version, description, success, checksum, execution_time) \
             SELECT 99, description, success, checksum, execution_time FROM {bookkeeping}"
        ))
        .await;
    for store in [store, migrating(url, "newer")] {
        let refused = store.migrate().await;
        let error = assert_refused("migrate", refused, &[ErrorKind::Misconfigured], &store);
        assert_eq!(error.context("migration"), Some("99"), "{error}");
        assert!(error.to_string().contains("newer version"), "{error}");
    }
}

async fn not_over_somebody_elses(url: &str) {
    let mut database = Outsider::connect(url).await;
    let table = fixture::table("foreign");
    database.execute(&format!("CREATE TABLE {table} (id INTEGER, name VARCHAR(20))")).await;
    database.execute(&format!("INSERT INTO {table} VALUES (1, 'hunter2')")).await;
    let store = migrating(url, "foreign");
    for _ in 0..2 {
        let refused = store.migrate().await;
        let error = assert_refused("migrate", refused, &[ErrorKind::Misconfigured], &store);
        assert_eq!(error.operation(), Some("migrate"));
        assert!(error.to_string().contains("another application"), "{error}");
        // Nor does a call do anything before that.
        for error in
            super::assert_all_refused(&store, sample::key(), &[ErrorKind::Misconfigured]).await
        {
            assert_eq!(error.operation(), Some("migrate"));
        }
    }
    for error in
        super::assert_all_refused(&open(url, "foreign"), sample::key(), &[ErrorKind::Misconfigured])
            .await
    {
        let told = error.to_string();
        assert!(told.contains("another application") || told.contains("other columns"), "{told}");
    }
    let untouched = format!("{table} WHERE id = 1 AND name = 'hunter2'");
    assert_eq!(database.count(&untouched).await, 1);

    // Once it is out of the way, all is as if it had never been there.
    database.execute(&format!("ALTER TABLE {table} RENAME TO elsewhere")).await;
    store.migrate().await.unwrap();
    assert_works(&store).await;
}

//! Others who hold the locks: deadlocks, waits, and an SQLite file that somebody writes.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use session_core::{
    Clock as _, ErrorKind, Key, Load, Loaded, Store as _, SystemClock, Touch, Touched,
};
use session_sql::SqlStore;
use session_testkit::sample;
use session_testkit::servers::{MariaDb, Postgres, Stopwatch};

use super::calls::{assert_in_time, owned};
use super::patience::for_ms;
use super::server::Server;
use super::{DEADLINE, LONG, open, open_patient, until};
use crate::fixture;
use crate::outsider::{Outsider, hex};

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_deadlocks_and_long_waits_are_not_told() {
    let mariadb = MariaDb::start().await;
    let store = fixture::builder(&mariadb.url(), "busy").build().unwrap();
    touch_in_opposite_orders(&mariadb.url(), &store).await;
    assert_eq!(deadlocks(&mariadb).await, 0, "batches wait for each other");

    let keys = some_sessions(&store, 200).await;
    let [first, last] = [hex(&keys[0]), hex(&keys[1])];
    let before = deadlocks(&mariadb).await;
    let mut other = Outsider::connect(&mariadb.url()).await;
    // One who has done more work than we is not the one who has to give way.
    let heavy = "BEGIN; UPDATE s_busy SET revision = 1 + revision WHERE session_key";
    other.execute(&format!("{heavy} > X'{first}'")).await;
    let touching = tokio::spawn(touch(store.clone(), vec![keys[0], keys[1]]));
    mariadb.waiting(1).await;
    let light = "UPDATE s_busy SET revision = 1 + revision WHERE session_key";
    other.execute(&format!("{light} = X'{first}'")).await;
    assert!(deadlocks(&mariadb).await > before, "there was no deadlock");
    other.release().await;
    touching.await.unwrap();

    // Longer than a statement waits for a lock.
    let mut other = Outsider::connect(&mariadb.url()).await;
    let lock = "BEGIN; SELECT revision FROM s_busy WHERE session_key";
    other.execute(&format!("{lock} = X'{last}' FOR UPDATE")).await;
    let before = status(&mariadb, "INNODB_ROW_LOCK_WAITS").await;
    let touching = tokio::spawn(touch(store.clone(), vec![keys[1]]));
    // A second wait begins once the first one was given up.
    until("the touch to be tried again", LONG, async || {
        status(&mariadb, "INNODB_ROW_LOCK_WAITS").await >= before + 2
    })
    .await;
    other.release().await;
    touching.await.unwrap();
}

async fn deadlocks(mariadb: &MariaDb) -> usize {
    status(mariadb, "INNODB_DEADLOCKS").await
}

/// What the server counts under this name.
async fn status(mariadb: &MariaDb, name: &str) -> usize {
    let values = "SELECT variable_value FROM information_schema.global_status";
    mariadb.count(&format!("{values} WHERE variable_name = '{name}'")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_deadlocks_are_not_told() {
    // It is looked for once, after so long a wait.
    let postgres = Postgres::builder().config("deadlock_timeout", "5s").start().await;
    let store = fixture::builder(&postgres.url(), "busy").build().unwrap();
    touch_in_opposite_orders(&postgres.url(), &store).await;
    let is_deadlock = "deadlock detected";
    assert!(!postgres.log().contains(is_deadlock), "batches wait for each other");

    let keys = some_sessions(&store, 2).await;
    let lock = |key: &Key| {
        format!("SELECT 1 FROM s_busy WHERE session_key = '\\x{}' FOR UPDATE;", hex(key))
    };
    let mut watcher = Outsider::connect(&postgres.url()).await;
    let mut other = Outsider::connect(&postgres.url()).await;
    other.execute(&format!("BEGIN; {}", lock(&keys[1]))).await;
    let touching = tokio::spawn(touch(store.clone(), keys.clone()));
    until("the touch to wait", LONG, async || {
        watcher.ask(<Postgres as Server>::WAITING).await == 1
    })
    .await;
    // It holds the first, and waits for the second, for longer than the other: it is the one that
    // looks first, and is aborted. The store tries again.
    other.execute(&lock(&keys[0])).await;
    other.release().await;
    touching.await.unwrap();
    assert!(postgres.log().contains(is_deadlock), "there was no deadlock");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sqlite_file_that_is_written_is_waited_for() {
    let folder = fixture::folder();
    let url = fixture::url_of(&folder);
    let store = open(&url, "busy");
    let patient = open_patient(&url, "busy");
    until("the table", LONG, async || store.purge_expired(1).await.is_ok()).await;
    let mut other = Outsider::connect(&url).await;

    other.execute("BEGIN IMMEDIATE").await;
    let (key, record) = (sample::key(), owned("anna"));
    let (created, ()) = tokio::join!(patient.create(&key, &record), async {
        for_ms(200).await;
        other.execute("COMMIT").await;
    });
    created.unwrap();

    other.execute("BEGIN IMMEDIATE").await;
    // Reads go on.
    assert!(matches!(store.load(&key, Load::default()).await, Ok(Loaded::Found { .. })));
    let absent = sample::key();
    for _ in 0..2 {
        let start = Stopwatch::start();
        let error = store.create(&absent, &record).await.unwrap_err();
        assert_in_time(&start, DEADLINE);
        let is_busy = error.kind() == ErrorKind::Unavailable && error.context("code") == Some("5");
        assert!(is_busy || error.kind() == ErrorKind::Timeout, "{error:?}");
    }
    for_ms(50).await;
    other.release().await;
    // Behind whatever might still be going on.
    patient.create(&sample::key(), &record).await.unwrap();
    let loaded = store.load(&absent, Load::default()).await.unwrap();
    assert!(matches!(loaded, Loaded::Absent), "written all the same: {loaded:?}");
}

/// Two nodes, and batches of the same sessions, in opposite orders.
async fn touch_in_opposite_orders(url: &str, store: &SqlStore) {
    let keys = some_sessions(store, 40).await;
    let start = Instant::now();
    let other = fixture::builder(url, "busy").build().unwrap();
    let backwards: Vec<Key> = keys.iter().rev().copied().collect();
    let mut touches = Vec::new();
    for _ in 0..4 {
        touches.push((store.clone(), keys.clone()));
        touches.push((other.clone(), backwards.clone()));
    }
    let touches = touches.into_iter().map(|(store, keys)| {
        tokio::spawn(async move {
            for _ in 0..10 {
                touch(store.clone(), keys.clone()).await;
            }
        })
    });
    for touched in join_all(touches).await {
        touched.unwrap();
    }
    println!("batches in opposite orders for {:?}", start.elapsed());
}

/// Touches them all, further than before.
async fn touch(store: SqlStore, keys: Vec<Key>) {
    let idle_deadline = SystemClock.now().plus(Duration::from_secs(3_600));
    let touches: Vec<Touch> = keys.into_iter().map(|key| Touch { key, idle_deadline }).collect();
    let touched = store.touch(&touches).await.unwrap();
    assert!(touched.iter().all(|touched| *touched == Touched::Done), "{touched:?}");
}

/// Keys of new sessions, in their order.
async fn some_sessions(store: &SqlStore, count: usize) -> Vec<Key> {
    let mut keys: Vec<Key> = (0..count).map(|_| sample::key()).collect();
    keys.sort_unstable();
    let record = sample::record(SystemClock.now());
    for key in &keys {
        store.create(key, &record).await.unwrap();
    }
    keys
}

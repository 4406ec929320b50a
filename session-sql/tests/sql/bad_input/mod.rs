//! Databases that are not as a store expects them: no table, another one, rows that are no
//! sessions, and logins that are not good enough. All that is told of it is typed, and discreet.

mod logins;
mod migrations;
mod rows;
mod tables;

use futures_util::future::{BoxFuture, join_all};
use session_core::{
    Clock as _, Device, Error, ErrorKind, Key, Load, Record, Store as _, SystemClock, Touch,
};
use session_core::{Payload, Revision, Subject};
use session_sql::{Database, SqlStore};
use session_testkit::sample;
use session_testkit::servers::{MariaDb, Postgres};

use crate::fixture;
use crate::outsider::Outsider;

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    let postgres = Postgres::start().await;
    check(&postgres.url()).await;
    logins::on_postgres(&postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb() {
    let mariadb = MariaDb::start().await;
    check(&mariadb.url()).await;
    logins::on_mariadb(&mariadb).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    let folder = fixture::folder();
    check(&fixture::url_of(&folder)).await;
    logins::on_sqlite(&folder).await;
}

async fn check(url: &str) {
    migrations::check(url).await;
    tables::check(url).await;
    rows::check(url).await;
}

/// What is in the sessions of these tests, and in no error.
const SUBJECT: &str = "anna-hunter2";

/// A store that makes no tables.
fn open(url: &str, namespace: &str) -> SqlStore {
    fixture::builder(url, namespace).migrate(false).max_connections(2).build().unwrap()
}

fn migrating(url: &str, namespace: &str) -> SqlStore {
    fixture::builder(url, namespace).max_connections(2).build().unwrap()
}

/// A session of somebody, with a device.
fn record() -> Record {
    let device = Device::new().with_user_agent("Mozilla hunter2").with_address("192.0.2.77");
    Record {
        subject: Some(Subject::new(SUBJECT).unwrap()),
        device: Some(std::sync::Arc::new(device)),
        payload: Payload::new("payload hunter2"),
        ..sample::record(SystemClock.now())
    }
}

/// Makes the tables by hand.
async fn execute_migrations(database: &mut Outsider, url: &str, namespace: &str) {
    let table = session_sql::TableName::parse(&fixture::table(namespace)).unwrap();
    for migration in Database::parse(url).unwrap().migrations(&table) {
        database.execute(&migration.sql).await;
    }
}

/// One call of each kind.
async fn call_all(store: &SqlStore, key: Key) -> Vec<(&'static str, Result<(), Error>)> {
    let record = &record();
    let subject = record.subject.as_ref().unwrap();
    let touch = [Touch { key, idle_deadline: record.absolute_deadline }];
    let (new, beside) = (sample::key(), sample::key_beside(&key));
    let one = Revision::new(1);
    let calls: Vec<(_, BoxFuture<'_, Result<(), Error>>)> = vec![
        ("load", Box::pin(async { store.load(&key, Load::default()).await.map(drop) })),
        ("create", Box::pin(async { store.create(&new, record).await.map(drop) })),
        ("replace", Box::pin(async { store.replace(&key, record, one).await.map(drop) })),
        ("rotate", Box::pin(async { store.rotate(&key, &beside, record, one).await.map(drop) })),
        ("touch", Box::pin(async { store.touch(&touch).await.map(drop) })),
        ("delete", Box::pin(async { store.delete(&key).await.map(drop) })),
        ("purge_expired", Box::pin(async { store.purge_expired(10).await.map(drop) })),
        (
            "list",
            Box::pin(async { store.subjects().unwrap().list(subject, None, 10).await.map(drop) }),
        ),
    ];
    join_all(calls.into_iter().map(|(name, call)| async move { (name, call.await) })).await
}

/// That a call failed so, and that nothing is told that is nobody's business.
#[track_caller]
fn assert_refused<T: std::fmt::Debug>(
    what: &str,
    answer: Result<T, Error>,
    kinds: &[ErrorKind],
    store: &SqlStore,
) -> Error {
    let Err(error) = answer else { panic!("{what}: {answer:?}") };
    assert!(kinds.contains(&error.kind()), "{what}: {error:?}");
    let mut told = format!("{error} {error:?} {store:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        told += &format!("{error} {error:?}");
        source = error.source();
    }
    for secret in ["hunter2", "127.0.0.1", "192.0.2.77", "Mozilla", "nowhere.invalid", "app:"] {
        assert!(!told.contains(secret), "{what}: {told}");
    }
    error
}

/// That every call fails so.
async fn assert_all_refused(store: &SqlStore, key: Key, kinds: &[ErrorKind]) -> Vec<Error> {
    let answers = call_all(store, key).await.into_iter();
    answers.map(|(call, answer)| assert_refused(call, answer, kinds, store)).collect()
}

async fn assert_works(store: &SqlStore) {
    let key = sample::key();
    store.create(&key, &record()).await.unwrap();
    for (call, answer) in call_all(store, key).await {
        answer.unwrap_or_else(|error| panic!("{call}: {error:?}"));
    }
}

//! Tables that are missing, or are not as they should be.

use session_core::{ErrorKind, Load, Store as _};
use session_testkit::sample;

use super::{
    assert_all_refused, assert_refused, assert_works, call_all, execute_migrations, migrating,
    open, record,
};
use crate::fixture;
use crate::outsider::Outsider;

pub(super) async fn check(url: &str) {
    let mut database = Outsider::connect(url).await;
    missing(&mut database, url).await;
    of_an_older_version(&mut database, url).await;
    with_a_column_of_another_type(&mut database, url).await;
}

async fn missing(database: &mut Outsider, url: &str) {
    let store = open(url, "missing");
    for error in assert_all_refused(&store, sample::key(), &[ErrorKind::Misconfigured]).await {
        assert!(error.to_string().contains("migrate"), "{error}");
    }
    // On the same connections, which have prepared statements about it.
    migrating(url, "missing").migrate().await.unwrap();
    assert_works(&store).await;
    // Dropped while the store is in use, and made again.
    let table = fixture::table("missing");
    database.execute(&format!("ALTER TABLE {table} RENAME TO {table}_away")).await;
    assert_all_refused(&store, sample::key(), &[ErrorKind::Misconfigured]).await;
    database.execute(&format!("ALTER TABLE {table}_away RENAME TO {table}")).await;
    assert_works(&store).await;
}

async fn of_an_older_version(database: &mut Outsider, url: &str) {
    execute_migrations(database, url, "older").await;
    let (store, key) = (open(url, "older"), sample::key());
    store.create(&key, &record()).await.unwrap();
    let table = fixture::table("older");
    database.execute(&format!("ALTER TABLE {table} DROP COLUMN address")).await;
    // Those that do not concern the column may succeed.
    for store in [&store, &open(url, "older")] {
        for (call, answer) in call_all(store, key).await {
            if ["load", "create", "replace", "rotate", "list"].contains(&call) {
                let error = assert_refused(call, answer, &[ErrorKind::Misconfigured], store);
                let told = error.to_string();
                assert!(told.contains("older version") || told.contains("other columns"), "{told}");
            } else {
                answer.unwrap_or_else(|error| panic!("{call}: {error:?}"));
            }
        }
    }
}

async fn with_a_column_of_another_type(database: &mut Outsider, url: &str) {
    let (table, namespace) = (fixture::table("typed"), "typed");
    execute_migrations(database, url, namespace).await;
    let (store, key) = (open(url, namespace), sample::key());
    store.create(&key, &record()).await.unwrap();
    match database {
        Outsider::Postgres(_) => {
            database
                .execute(&format!(
                    "ALTER TABLE {table} ALTER COLUMN created_at TYPE TEXT USING 'hunter2'"
                ))
                .await;
        }
        Outsider::MariaDb(_) => {
            database.execute(&format!("ALTER TABLE {table} MODIFY created_at TEXT")).await;
            database.execute(&format!("UPDATE {table} SET created_at = 'hunter2'")).await;
        }
        Outsider::Sqlite(_) => {
            // A table has to be made anew for that.
            let copy = format!("CREATE TABLE copy AS SELECT * FROM {table}; DROP TABLE {table};");
            database.execute(&copy).await;
            let rename = format!("ALTER TABLE copy RENAME TO {table};");
            let spoil = format!("UPDATE {table} SET created_at = 'hunter2'");
            database.execute(&format!("{rename} {spoil}")).await;
        }
    }
    let kinds = [ErrorKind::Misconfigured, ErrorKind::Corrupt];
    for store in [&store, &open(url, namespace)] {
        let subject = record().subject.unwrap();
        let listed = store.subjects().unwrap().list(&subject, None, 10).await;
        assert_refused("list", listed, &kinds, store);
        assert_refused("load", store.load(&key, Load::default()).await, &kinds, store);
    }
    // What those do that do not read it depends on the database.
    for (call, answer) in call_all(&store, key).await {
        if answer.is_err() {
            assert_refused(call, answer, &kinds, &store);
        }
    }
}

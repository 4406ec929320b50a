//! The store contract's conformance suite on each database.

use std::sync::Arc;
use std::time::Duration;

use session_core::Store;
use session_testkit::clauses;
use session_testkit::servers::{MariaDb, Postgres, ServerHarness};

use crate::fixture::{builder, store, table};

mod sqlite {
    use session_testkit::Harness;
    use session_testkit::servers::ServerHarness;

    use super::TICK;
    use crate::fixture::{builder, folder, store, url_of};

    async fn harness() -> impl Harness {
        let folder = folder();
        let url = url_of(&folder);
        ServerHarness::new(move |namespace| store(builder(&url, namespace)))
            .with_tick(TICK / 2)
            .with_guard(folder)
    }

    session_testkit::store_tests!(harness);
}

#[tokio::test]
async fn every_clause_holds_on_postgres() {
    let server = Arc::new(Postgres::start().await);
    server.query("CREATE SCHEMA auth AUTHORIZATION app").await;
    clauses::check_all(async || {
        let (url, counted) = (server.url(), Arc::clone(&server));
        ServerHarness::new(move |namespace| elsewhere(&url, namespace))
            .with_occupied(move |namespace| {
                let server = Arc::clone(&counted);
                async move { server.query(&count(&namespace)).await.trim().parse().unwrap() }
            })
            .with_tick(TICK)
            .with_guard(Arc::clone(&server))
    });
}

#[tokio::test]
async fn every_clause_holds_on_mariadb() {
    let server = Arc::new(MariaDb::start().await);
    server.query("CREATE DATABASE auth; GRANT ALL ON auth.* TO app@`127.0.0.1`").await;
    clauses::check_all(async || {
        let (url, counted) = (server.url(), Arc::clone(&server));
        ServerHarness::new(move |namespace| elsewhere(&url, namespace))
            .with_occupied(move |namespace| {
                let server = Arc::clone(&counted);
                async move { server.query(&count(&namespace)).await.trim().parse().unwrap() }
            })
            .with_tick(TICK)
            .with_guard(Arc::clone(&server))
    });
}

/// Eight clauses at a time keep the machine busy, and a session must not end before it is looked at.
const TICK: Duration = Duration::from_millis(500);

/// In another schema, or database, than the one that is connected to.
fn elsewhere(url: &str, namespace: &str) -> Arc<dyn Store> {
    store(builder(url, namespace).table(format!("auth.{}", table(namespace))))
}

/// How many sessions take up room.
fn count(namespace: &str) -> String {
    format!("SELECT count(*) FROM auth.{}", table(namespace))
}

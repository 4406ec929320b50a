//! PgBouncer in between, which lends connections for one transaction.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use session_core::{ErrorKind, Load, Store as _};
use session_sql::SqlStoreBuilder;
use session_testkit::sample;
use session_testkit::servers::{PgBouncer, Postgres, ServerHarness};

use super::calls::{Sessions, Targets, assert_refused};
use super::server::Server as _;
use super::{LONG, until};
use crate::fixture;
use crate::outsider::Outsider;

/// Connections that PgBouncer has.
const POOL: usize = 2;

async fn start() -> (Postgres, PgBouncer) {
    let postgres = Postgres::start().await;
    let pgbouncer = PgBouncer::builder(&postgres)
        .config("default_pool_size", POOL)
        .config("max_client_conn", 1_000)
        .start()
        .await;
    (postgres, pgbouncer)
}

fn builder(pgbouncer: &PgBouncer, namespace: &str) -> SqlStoreBuilder {
    fixture::builder(&pgbouncer.url(), namespace).through_transaction_pooler().max_connections(4)
}

/// Clauses that take the longest here, and come to little else than others.
const LONG_CLAUSES: [&str; 4] = ["concurrency", "concurrent_rotation", "expiry", "model"];

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_through_a_transaction_pooler() {
    let (_postgres, pgbouncer) = start().await;
    let pgbouncer = Arc::new(pgbouncer);
    let clauses = session_testkit::clauses::all().iter();
    let clauses = clauses.filter(|clause| {
        let races = ["concurrent_replaces", "concurrent_delete_and_replace"];
        !LONG_CLAUSES.contains(&clause.group()) || races.contains(&clause.name())
    });
    // So many at once, for which the pooler does not have the connections.
    const AT_ONCE: usize = 8;
    let checks = clauses.map(|clause| {
        let pgbouncer = Arc::clone(&pgbouncer);
        let open = move |namespace: &str| fixture::store(builder(&pgbouncer, namespace));
        // Two connections for all that goes on at once are not fast.
        let harness = ServerHarness::new(open).with_tick(Duration::from_millis(500));
        async move { clause.check(&harness).await }
    });
    futures_util::stream::iter(checks).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_pooler_is_left_as_it_was_found() {
    let (postgres, pgbouncer) = start().await;
    // Nodes that find no tables, all at once.
    let nodes: Vec<_> = (0..6).map(|_| builder(&pgbouncer, "pooled").build().unwrap()).collect();
    for migrated in join_all(nodes.iter().map(|node| node.migrate())).await {
        migrated.unwrap();
    }
    assert_unchanged(&postgres, &pgbouncer).await;
    let work = nodes.iter().map(|node| async move {
        for _ in 0..5 {
            for answered in Targets::create(node).await.call_all().await {
                answered.answer.unwrap();
            }
        }
    });
    join_all(work).await;
    assert_unchanged(&postgres, &pgbouncer).await;

    // Calls that the database refuses end their transactions, too.
    let store = builder(&pgbouncer, "missing").migrate(false).build().unwrap();
    let calls = (0..8).map(|_| async {
        let loaded = store.load(&sample::key(), Load::default()).await;
        assert_refused(loaded, ErrorKind::Misconfigured, Some("42P01"));
    });
    join_all(calls).await;
    assert_unchanged(&postgres, &pgbouncer).await;
    let sessions = Sessions::create(&nodes[0]).await;
    assert_eq!(sessions.load_some(8).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_pooler_that_nobody_spoke_of_is_told_of() {
    let (_postgres, pgbouncer) = start().await;
    builder(&pgbouncer, "untold").build().unwrap().migrate().await.unwrap();
    let store = fixture::builder(&pgbouncer.url(), "untold").build().unwrap();
    // One alone may find all that it has prepared.
    let mut errors = Vec::new();
    until("calls to find what others have prepared", LONG, async || {
        let calls = (0..8).map(|_| async { store.load(&sample::key(), Load::default()).await });
        errors.extend(join_all(calls).await.into_iter().filter_map(Result::err));
        !errors.is_empty()
    })
    .await;
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
        assert!(error.to_string().contains("through_transaction_pooler"), "{error}");
    }
}

/// That PgBouncer's connections are as it made them: in no transaction, and with no lock, no setting
/// and no prepared statement of ours.
async fn assert_unchanged(postgres: &Postgres, pgbouncer: &PgBouncer) {
    until("connections that are idle", LONG, async || {
        let busy =
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state <> 'idle'";
        postgres.count(busy).await == 0
    })
    .await;
    assert!(
        postgres.count("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'").await <= POOL
    );
    assert_eq!(
        postgres.count("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").await,
        0
    );
    // Lent one after the other.
    let mut lent = Outsider::connect(&pgbouncer.url()).await;
    for _ in 0..2 * POOL {
        assert_eq!(lent.count("pg_prepared_statements").await, 0);
        let ours = "pg_settings WHERE name = 'statement_timeout' AND setting <> '0'";
        assert_eq!(lent.count(ours).await, 0);
    }
}

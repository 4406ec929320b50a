//! PgBouncer in between, which lends connections for one transaction.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use session_core::{Clock as _, ErrorKind, Load, Store as _, SystemClock, Touch};
use session_sql::SqlStoreBuilder;
use session_testkit::proxy::{Direction, Fault, Proxy};
use session_testkit::sample;
use session_testkit::servers::{PgBouncer, Postgres, ServerHarness};
use tokio::task::JoinHandle;

use super::calls::{Sessions, Targets, assert_failed, assert_refused};
use super::server::Server;
use super::{DEADLINE, LONG, until};
use crate::fixture;
use crate::outsider::Outsider;

/// Connections that PgBouncer has.
const POOL: usize = 2;

async fn start() -> (Postgres, PgBouncer) {
    let postgres = Postgres::start().await;
    let pgbouncer = PgBouncer::builder(&postgres)
        .config("default_pool_size", POOL)
        .config("max_client_conn", 1_000)
        .config("server_login_retry", 1)
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

/// PgBouncer tells of a server that has gone with a code of its own, for statements that may have
/// been executed, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_behind_a_pooler_is_an_outage() {
    let (postgres, pgbouncer) = start().await;
    let patient = builder(&pgbouncer, "killed").build().unwrap();
    let sessions = Sessions::create_patiently(&patient).await;
    let targets = Targets::create(&patient).await;
    let lock = postgres.lock("killed").await;
    let (answers, ()) = tokio::join!(targets.write_all(), async {
        until("a call to be under way", LONG, async || postgres.count(WAITING).await > 0).await;
        postgres.kill();
    });
    let outage = [ErrorKind::Unavailable, ErrorKind::Timeout];
    let refused = answers.into_iter().filter(|answered| answered.answer.is_err());
    let refused: Vec<_> = refused.collect();
    assert!(!refused.is_empty());
    assert_failed(&refused, &outage, fixture::TIMEOUT);
    let store = builder(&pgbouncer, "killed").timeout(DEADLINE).build().unwrap();
    let targets = targets.through(&store);
    assert_failed(&targets.call_all().await, &outage, DEADLINE);
    drop(lock);
    postgres.restart().await;
    until("loads", LONG, async || sessions.load_some(8).await == 8).await;
    sessions.assert_intact().await;
}

/// A node that hangs, or is cut off, between a statement and its `COMMIT`: the pooler goes on waiting
/// for it, and so would everybody who wants to log the session out.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_cut_off_before_the_commit_keeps_no_lock() {
    let (postgres, pgbouncer) = start().await;
    let proxy = Proxy::start(pgbouncer.address()).await;
    let [own, through] = [pgbouncer.address(), proxy.address()].map(|it| it.to_string());
    let cut_off = fixture::builder(&pgbouncer.url().replace(&own, &through), "cut_off");
    let cut_off = cut_off.through_transaction_pooler().timeout(DEADLINE).build().unwrap();
    let (key, record) = (sample::key(), sample::record(SystemClock.now()));
    until("a session", LONG, async || cut_off.create(&key, &record).await.is_ok()).await;

    let mut touching = None;
    let lock = postgres.lock("cut_off").await;
    until("a touch to wait for the lock", LONG, async || {
        let touch = || {
            let (store, touch) =
                (cut_off.clone(), Touch { key, idle_deadline: record.absolute_deadline });
            tokio::spawn(async move { store.touch(&[touch]).await })
        };
        touching.take_if(|it: &mut JoinHandle<_>| it.is_finished());
        touching.get_or_insert_with(touch);
        postgres.count(WAITING).await == 1
    })
    .await;
    // Its `COMMIT` arrives nowhere, nor does that it hangs up.
    proxy.set(Fault::Blackhole(Direction::ToServer)).await;
    lock.release().await;
    touching.expect("a touch").await.unwrap().unwrap_err();
    let store = builder(&pgbouncer, "cut_off").timeout(DEADLINE).build().unwrap();
    until("a log-out", LONG, async || store.delete(&key).await.is_ok()).await;
}

const WAITING: &str = <Postgres as Server>::WAITING;

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

//! On a real PostgreSQL that loses subscriptions, forgets, and is restarted.

use std::sync::Arc;
use std::time::Instant;

use session_core::{Load, Source, Store as _};
use session_testkit::sample;
use session_testkit::servers::Postgres;

use crate::fixture::{
    D, NAMESPACE, SOON, create, eventually, last_local, node, postgres, read, record, replaced,
    short_leased, until_cached, until_leased,
};

/// Reads that a cache answers send nothing: of all transactions meanwhile none reads a session.
#[tokio::test]
async fn warm_reads_are_no_statements() {
    let server = Postgres::start().await;
    let node = node(Arc::new(postgres(&server.url(), NAMESPACE).build().unwrap())).await;
    let key = sample::key();
    create(&node, &key, &record()).await;
    let scans = async || -> u64 {
        let scans = "SELECT pg_stat_force_next_flush(); \
                     SELECT seq_scan + idx_scan FROM pg_stat_user_tables WHERE relname = 's_shop'";
        server.query(scans).await.lines().last().unwrap().parse().unwrap()
    };
    // One connection has done all, and tells what it has done with the next statement of its own.
    let told = async || {
        read(&node, &sample::key()).await;
    };
    told().await;
    let mut before = 0;
    eventually("statistics at rest", async || {
        let last = std::mem::replace(&mut before, scans().await);
        before == last && before > 0
    })
    .await;
    for _ in 0..10_000 {
        assert_eq!(read(&node, &key).await.unwrap().1, Source::Local);
    }
    told().await;
    eventually("the read of an unknown session to be counted", async || scans().await > before)
        .await;
    // That one read, and what planning may look up.
    let scanned = scans().await - before;
    assert!(scanned < 10, "{scanned} scans");
}

/// F3: what was cached under the old subscription is not served under the new one.
#[tokio::test]
async fn a_killed_subscription_empties_the_cache() {
    let server = Postgres::start().await;
    let shared = postgres(&server.url(), NAMESPACE).build().unwrap();
    let node = node(Arc::new(shared.clone())).await;
    for _ in 0..8 {
        let key = sample::key();
        let first = create(&shared, &key, &record()).await;
        read(&node, &key).await.unwrap();
        let before = node.stats().subscriptions;
        let kill = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
        assert_eq!(server.query(kill).await.trim(), "t");
        let second = replaced(shared.replace(&key, &record(), first).await);
        eventually("another subscription", async || node.stats().subscriptions > before).await;
        assert_eq!(read(&node, &key).await.unwrap().0, second);
    }
}

/// F19: the sessions, the heartbeats, or the epoch alone are not what they were; nobody announces
/// that.
#[tokio::test]
async fn tables_that_are_emptied_or_restored_are_noticed_within_the_bound() {
    let server = Postgres::start().await;
    let node = short_leased(Arc::new(postgres(&server.url(), NAMESPACE).build().unwrap())).await;
    for (what, epoch) in [
        ("emptied", "TRUNCATE s_shop_nodes"),
        ("said to be another life", "UPDATE s_shop_nodes SET epoch = epoch + 1 WHERE node = 0"),
    ] {
        let key = sample::key();
        create(&node, &key, &record()).await;
        server.query(&format!("BEGIN; TRUNCATE s_shop; {epoch}; COMMIT")).await;
        let last = last_local(&node, &key, Instant::now()).await;
        println!("{what}: last served {last:?} after it, D is {D:?}");
        assert!(last <= D, "{last:?}");
        until_leased(&node).await;
    }
}

#[tokio::test]
async fn a_server_that_is_restarted_is_listened_to_again() {
    let server = Postgres::start().await;
    let node = short_leased(Arc::new(postgres(&server.url(), NAMESPACE).build().unwrap())).await;
    let key = sample::key();
    let revision = create(&node, &key, &record()).await;
    server.kill();
    eventually("the lease runs out", async || node.stats().lease_left.is_zero()).await;
    node.load(&key, Load::default()).await.unwrap_err();
    server.restart().await;
    let back = Instant::now();
    until_leased(&node).await;
    println!("a lease {:?} after the server was back", back.elapsed());
    assert!(back.elapsed() < SOON);
    assert_eq!(read(&node, &key).await, Some((revision, Source::Shared)));
    until_cached(&node, &key, revision).await;
}

//! What reads notice of a purge: how long they take before, and while a hundred thousand expired
//! sessions are removed, in batches of several sizes.
//!
//! `cargo bench -p benches --bench purge` starts servers of its own, as `--bench sql` does. Four tasks
//! read, each about 500 times in a second; the purge goes on without a pause, as the sweeper's does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use session_core::{Clock as _, Key, Load, Loaded, Store as _, SystemClock};
use session_sql::{Database, SqlStore};
use session_testkit::sample;
use session_testkit::servers::{MariaDb, Postgres};
use sqlx::Connection as _;
use tokio::time::MissedTickBehavior;

const EXPIRED: usize = 100_000;
const LIVE: usize = 1_000;
const READERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(2);
const BEFORE: Duration = Duration::from_secs(3);
const BATCHES: [usize; 3] = [100, 1_000, 10_000];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        println!(
            "| database | batch | reads before, p50 and p99, ms | during | longest | purge, s \
             | a batch, median and longest, ms |\n|---|---|---|---|---|---|---|"
        );
        let server = Postgres::builder().config("max_wal_size", "4GB").start().await;
        let fill = format!(
            "INSERT INTO sessions (session_key, revision, created_at, idle_deadline, \
             absolute_deadline, payload) \
             SELECT substring(sha256(n::text::bytea) || sha256(n::text::bytea) FOR 34), 1, 0, n, n, \
             repeat('x', 300)::bytea FROM generate_series(1, {EXPIRED}) AS n"
        );
        measure("PostgreSQL", &server.url(), async || drop(server.query(&fill).await)).await;

        let server = MariaDb::builder().config("innodb-buffer-pool-size", "256M");
        let server = server.config("innodb-log-file-size", "256M").start().await;
        let fill = format!(
            "INSERT INTO sessions (session_key, revision, created_at, idle_deadline, \
             absolute_deadline, payload) \
             SELECT UNHEX(CONCAT(LEFT(SHA2(seq, 256), 4), SHA2(seq, 256))), 1, 0, seq, seq, \
             REPEAT('x', 300) FROM seq_1_to_{EXPIRED}"
        );
        measure("MariaDB", &server.url(), async || drop(server.query(&fill).await)).await;

        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("sessions.db").display());
        let fill = format!(
            "INSERT INTO sessions (session_key, revision, created_at, idle_deadline, \
             absolute_deadline, payload) WITH RECURSIVE counted (n) AS \
             (SELECT 1 UNION ALL SELECT n + 1 FROM counted LIMIT {EXPIRED}) \
             SELECT randomblob(34), 1, 0, n, n, zeroblob(300) FROM counted"
        );
        let fill = async || {
            let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("a connection");
            let fill = sqlx::AssertSqlSafe(fill.as_str());
            sqlx::raw_sql(fill).execute(&mut connection).await.expect("rows");
        };
        measure("SQLite", &url, fill).await;
    });
}

async fn measure(database: &str, url: &str, fill: impl AsyncFn()) {
    let builder = SqlStore::builder(Database::parse(url).expect("a URL")).migrate(true);
    let store = builder.without_sweeper().timeout(Duration::from_secs(30)).build();
    let store = store.expect("a store");
    let mut keys = Vec::with_capacity(LIVE);
    for _ in 0..LIVE {
        let key = sample::key();
        store.create(&key, &sample::record(SystemClock.now())).await.expect("an answer");
        keys.push(key);
    }
    let keys = Arc::new(keys);
    for batch in BATCHES {
        fill().await;
        let before = reads_during(&store, &keys, tokio::time::sleep(BEFORE)).await.0;
        let clock = Instant::now();
        let (during, mut batches) = reads_during(&store, &keys, purge(&store, batch)).await;
        let took = clock.elapsed().as_secs_f64();
        batches.sort_unstable();
        println!(
            "| {database} | {batch} | {:.2}, {:.2} | {:.2}, {:.2} | {:.1} | {took:.1} | {:.1}, {:.1} |",
            at(&before, 0.5),
            at(&before, 0.99),
            at(&during, 0.5),
            at(&during, 0.99),
            at(&during, 1.0),
            at(&batches, 0.5),
            at(&batches, 1.0),
        );
    }
}

/// How long each batch took.
async fn purge(store: &SqlStore, batch: usize) -> Vec<Duration> {
    let (mut freed, mut batches) = (0, Vec::new());
    loop {
        let clock = Instant::now();
        let some = store.purge_expired(batch).await.expect("an answer");
        freed += some;
        batches.push(clock.elapsed());
        if some < batch {
            assert_eq!(freed, EXPIRED);
            return batches;
        }
    }
}

/// How long reads took, in order, while something was done; and what came of that.
async fn reads_during<T>(
    store: &SqlStore,
    keys: &Arc<Vec<Key>>,
    something: impl Future<Output = T>,
) -> (Vec<Duration>, T) {
    let is_over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..READERS)
        .map(|reader| {
            let (store, keys, is_over) = (store.clone(), Arc::clone(keys), Arc::clone(&is_over));
            tokio::spawn(async move { read(&store, &keys, reader, &is_over).await })
        })
        .collect();
    let done = something.await;
    is_over.store(true, Ordering::SeqCst);
    let mut took = Vec::new();
    for reader in readers {
        took.extend(reader.await.expect("reads"));
    }
    took.sort_unstable();
    (took, done)
}

async fn read(
    store: &SqlStore,
    keys: &[Key],
    reader: usize,
    is_over: &AtomicBool,
) -> Vec<Duration> {
    let mut ticks = tokio::time::interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut took = Vec::new();
    for key in keys.iter().cycle().skip(reader * LIVE / READERS) {
        ticks.tick().await;
        if is_over.load(Ordering::SeqCst) {
            break;
        }
        let clock = Instant::now();
        let loaded = store.load(key, Load::default()).await.expect("an answer");
        took.push(clock.elapsed());
        assert!(matches!(loaded, Loaded::Found { .. }), "{loaded:?}");
    }
    took
}

/// The quantile of what is in order, in milliseconds.
fn at(sorted: &[Duration], quantile: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * quantile) as usize].as_secs_f64() * 1e3
}

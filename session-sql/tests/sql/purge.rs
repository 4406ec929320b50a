//! Two nodes remove what has expired while others read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use session_core::{Clock as _, Key, Load, Loaded, Record, Store, SystemClock};
use session_sql::{Database, SqlStore};
use session_testkit::sample;
use session_testkit::servers::{MariaDb, Postgres};
use sqlx::Connection as _;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::fixture;

const EXPIRED: usize = 20_000;
const LIVE: usize = 100;
/// As the sweeper's.
const BATCH: usize = 1_000;

#[tokio::test]
async fn postgres_frees_what_has_expired_once_and_nothing_else_while_others_read() {
    let server = Postgres::start().await;
    let fill = format!(
        "INSERT INTO {TABLE} (session_key, revision, created_at, idle_deadline, \
         absolute_deadline, payload) \
         SELECT substring(sha256(n::text::bytea) || sha256(n::text::bytea) FOR 34), 1, 0, n, n, \
         repeat('x', 300)::bytea FROM generate_series(1, {EXPIRED}) AS n"
    );
    let count = format!("SELECT COUNT(*) FROM {TABLE}");
    check(&server.url(), async || drop(server.query(&fill).await)).await;
    assert_eq!(server.query(&count).await, LIVE.to_string());
}

#[tokio::test]
async fn mariadb_frees_what_has_expired_once_and_nothing_else_while_others_read() {
    let server = MariaDb::start().await;
    let fill = format!(
        "INSERT INTO {TABLE} (session_key, revision, created_at, idle_deadline, \
         absolute_deadline, payload) \
         SELECT UNHEX(CONCAT(LEFT(SHA2(seq, 256), 4), SHA2(seq, 256))), 1, 0, seq, seq, \
         REPEAT('x', 300) FROM seq_1_to_{EXPIRED}"
    );
    let count = format!("SELECT COUNT(*) FROM {TABLE}");
    check(&server.url(), async || drop(server.query(&fill).await)).await;
    assert_eq!(server.query(&count).await, LIVE.to_string());
}

#[tokio::test]
async fn sqlite_frees_what_has_expired_once_and_nothing_else_while_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let url = fixture::url_of(&folder);
    let fill = format!(
        "INSERT INTO {TABLE} (session_key, revision, created_at, idle_deadline, \
         absolute_deadline, payload) WITH RECURSIVE counted (n) AS \
         (SELECT 1 UNION ALL SELECT n + 1 FROM counted LIMIT {EXPIRED}) \
         SELECT randomblob(34), 1, 0, n, n, zeroblob(300) FROM counted"
    );
    let connect = async || sqlx::SqliteConnection::connect(&url).await.unwrap();
    let fill = async || {
        let fill = sqlx::raw_sql(sqlx::AssertSqlSafe(fill.as_str()));
        fill.execute(&mut connect().await).await.unwrap();
    };
    check(&url, fill).await;
    let count = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {TABLE}")));
    let count: i64 = count.fetch_one(&mut connect().await).await.unwrap();
    assert_eq!(count, LIVE as i64);
}

const TABLE: &str = "purged";

async fn check(url: &str, fill: impl AsyncFnOnce()) {
    let open = || fixture::store(fixture::builder(url, "").table(TABLE));
    let (one, another, reader) = (open(), open(), open());
    let mut live = Vec::with_capacity(LIVE);
    for _ in 0..LIVE {
        let (key, record) = (sample::key(), sample::record(SystemClock.now()));
        reader.create(&key, &record).await.unwrap();
        live.push((key, record));
    }
    fill().await;

    let is_over = Arc::new(AtomicBool::new(false));
    let reads = Arc::new(AtomicUsize::new(0));
    let reader = tokio::spawn(read(reader, live, Arc::clone(&reads), Arc::clone(&is_over)));
    let (one, another) = tokio::join!(purge(&*one, &reads), purge(&*another, &reads));
    is_over.store(true, Ordering::SeqCst);
    assert_eq!(one + another, EXPIRED, "{one} by the one, {another} by the other");
    // Which fails if any read was wrong.
    reader.await.unwrap();
}

/// Until there is nothing left, with reads between batches, and how many that were.
async fn purge(store: &dyn Store, reads: &AtomicUsize) -> usize {
    let mut freed = 0;
    loop {
        let before = reads.load(Ordering::SeqCst);
        let come_between = async {
            while reads.load(Ordering::SeqCst) == before {
                tokio::task::yield_now().await;
            }
        };
        timeout(fixture::TIMEOUT, come_between).await.expect("reads that go on");
        match store.purge_expired(BATCH).await.unwrap() {
            0 => return freed,
            some => freed += some,
        }
    }
}

/// Reads every session once at least.
async fn read(
    store: Arc<dyn Store>,
    live: Vec<(Key, Record)>,
    reads: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
) {
    loop {
        for (key, record) in &live {
            let loaded = store.load(key, Load::default()).await.unwrap();
            let Loaded::Found { record: found, .. } = loaded else { panic!("{loaded:?}") };
            assert_eq!(found.payload, record.payload);
            reads.fetch_add(1, Ordering::SeqCst);
        }
        if is_over.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// As when a worker with a runtime of its own ends, and others go on.
#[test]
fn sessions_are_freed_on_another_runtime_when_the_first_has_ended() {
    let folder = fixture::folder();
    let url = fixture::url_of(&folder);
    let database = Database::parse(&url).unwrap();
    let store = SqlStore::builder(database).table(TABLE).migrate(true).timeout(fixture::TIMEOUT);
    let store = store.sweep_every(Duration::from_secs(1)).build().unwrap();
    let expire_one = async || {
        let record = sample::record_living(SystemClock.now(), Duration::from_millis(1));
        store.create(&sample::key(), &record).await.unwrap();
    };
    for _ in 0..2 {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            expire_one().await;
            let freed = async {
                let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                let sql = format!("SELECT COUNT(*) FROM {TABLE}");
                let count = || sqlx::query_scalar(sqlx::AssertSqlSafe(sql.clone()));
                while count().fetch_one(&mut connection).await.is_ok_and(|left: i64| left > 0) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            timeout(fixture::TIMEOUT, freed).await.expect("the room of the session to be freed");
        });
    }
}

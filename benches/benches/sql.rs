//! What the SQL store costs beside the same statements by sqlx itself, in one run.
//!
//! `cargo bench -p benches --bench sql` starts servers of its own (`postgres` and `mariadbd` must be
//! installed: on Debian, `apt-get install postgresql mariadb-server`), which do not wait for the
//! disk, and makes a file for SQLite, which does. Told is how long an operation takes, and the CPU
//! time of this process for it (the server's is not in it), with one under way and with sixteen.
//! What is compared is interleaved, round by round; a figure is the median of the rounds, a ratio the
//! median of each round's.
//!
//! `bare` has a connection for each task, always at hand, knows no deadline, and must not be given up
//! half way; `pool` is sqlx's own, as it is by default. Both read rows into tuples.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use session_core::{
    Clock as _, Created, Key, Load, Loaded, Payload, Record, Replaced, Revision, Store as _,
    SystemClock,
};
use session_sql::{Database, SqlStore};
use session_testkit::sample;
use session_testkit::servers::{MariaDb, Postgres};
use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions as _, Connection};
use tokio::sync::Mutex;

const ROUNDS: usize = 11;
/// Operations in a round of one piece of work.
const OPERATIONS: usize = 3_200;
/// The same, where each waits for the disk.
const SYNCED: usize = 320;
const UNDER_WAY: usize = 16;
/// What one session's fields take, as JSON.
const PAYLOAD: usize = 300;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(compare_all());
}

async fn compare_all() {
    println!(
        "| work | under way | bare, us | pool, us | ours, us | ours over bare (middle half) | bare, us CPU \
         | pool | ours | ours over bare |\n|---|---|---|---|---|---|---|---|---|---|"
    );
    let server = Postgres::start().await;
    let works = Works::<sqlx::Postgres>::on(&server.url(), UNDER_WAY).await;
    compare("PostgreSQL, load", OPERATIONS, works.loads()).await;
    compare("PostgreSQL, replace", OPERATIONS, works.replaces()).await;
    drop((works, server));

    let server = MariaDb::start().await;
    let works = Works::<sqlx::MySql>::on(&server.url(), UNDER_WAY).await;
    compare("MariaDB, load", OPERATIONS, works.loads()).await;
    compare("MariaDB, replace", OPERATIONS, works.replaces()).await;
    drop((works, server));

    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}", folder.path().join("sessions.db").display());
    // One writes at a time.
    let works = Works::<sqlx::Sqlite>::on(&url, 1).await;
    compare("SQLite, load", OPERATIONS, works.loads()).await;
    compare("SQLite, replace", SYNCED, works.replaces()).await;
}

/// One operation, for the task of this number.
type Work = Arc<dyn Fn(usize) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

fn work<T, F>(shared: &Arc<T>, one: fn(Arc<T>, usize) -> F) -> Work
where
    T: Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let shared = Arc::clone(shared);
    Arc::new(move |task| Box::pin(one(Arc::clone(&shared), task)))
}

async fn compare(name: &str, operations: usize, works: [Work; 3]) {
    for under_way in [1, UNDER_WAY] {
        let mut rounds: [Vec<Measured>; 3] = Default::default();
        for round in 0..=ROUNDS {
            for (work, measured) in works.iter().zip(&mut rounds) {
                let one = measure(work, operations, under_way).await;
                // The first warms up.
                if round > 0 {
                    measured.push(one);
                }
            }
        }
        let (time, cpu) = (row(&rounds, |one| one.time), row(&rounds, |one| one.cpu));
        println!("| {name} | {under_way} | {time} | {cpu} |");
    }
}

fn row(rounds: &[Vec<Measured>; 3], figure: fn(&Measured) -> f64) -> String {
    let [bare, pool, ours] =
        rounds.each_ref().map(|all| all.iter().map(figure).collect::<Vec<_>>());
    let ratios = ours.iter().zip(&bare).map(|(ours, bare)| ours / bare).collect();
    let [low, ratio, high] = quartiles(ratios);
    let [bare, pool, ours] = [bare, pool, ours].map(|all| quartiles(all)[1]);
    format!("{bare:.1} | {pool:.1} | {ours:.1} | {ratio:.2} ({low:.2} to {high:.2})")
}

/// Microseconds for an operation.
struct Measured {
    time: f64,
    cpu: f64,
}

async fn measure(work: &Work, operations: usize, under_way: usize) -> Measured {
    let (cpu, clock) = (cpu_time(), Instant::now());
    let tasks: Vec<_> = (0..under_way)
        .map(|task| {
            let work = Arc::clone(work);
            tokio::spawn(async move {
                for _ in 0..operations / under_way {
                    work(task).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("work that is done");
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / operations as f64;
    Measured { time: each(clock.elapsed()), cpu: each(cpu_time() - cpu) }
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

fn quartiles(mut figures: Vec<f64>) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    [figures.len() / 4, figures.len() / 2, figures.len() * 3 / 4].map(|index| figures[index])
}

/// Three ways to do the same, on the same table, each with sessions of its own.
struct Works<D: Statements> {
    bare: Arc<Bare<D>>,
    pool: Arc<Pool<D>>,
    ours: Arc<Ours>,
}

impl<D: Statements> Works<D> {
    async fn on(url: &str, writers: usize) -> Self {
        let database = Database::parse(url).expect("a URL");
        let builder = SqlStore::builder(database).migrate(true).max_connections(UNDER_WAY);
        // So that a slow disk is no error.
        let store = builder.timeout(Duration::from_secs(10)).build().expect("a store");
        store.migrate().await.expect("a table");
        let options = || {
            let options: Options<D> = url.parse().unwrap_or_else(|_| panic!("a URL"));
            options.disable_statement_logging()
        };
        let mut connections = Vec::new();
        for _ in 0..UNDER_WAY {
            let connection = options().connect().await.expect("a connection");
            connections.push(Mutex::new(connection));
        }
        let pool = |connections| {
            let pool = sqlx::pool::PoolOptions::new().max_connections(connections as u32);
            pool.connect_lazy_with(options())
        };
        let sessions = Sessions::of(&store).await;
        let bare = Bare { connections, writers, sessions };
        let sessions = Sessions::of(&store).await;
        let pool = Pool { reads: pool(UNDER_WAY), writes: pool(writers), sessions };
        let sessions = Sessions::of(&store).await;
        let ours = Ours { store, sessions };
        Self { bare: Arc::new(bare), pool: Arc::new(pool), ours: Arc::new(ours) }
    }

    fn loads(&self) -> [Work; 3] {
        let Self { bare, pool, ours } = self;
        [work(bare, Bare::load), work(pool, Pool::load), work(ours, Ours::load)]
    }

    fn replaces(&self) -> [Work; 3] {
        let Self { bare, pool, ours } = self;
        [work(bare, Bare::replace), work(pool, Pool::replace), work(ours, Ours::replace)]
    }
}

struct Ours {
    store: SqlStore,
    sessions: Sessions,
}

impl Ours {
    async fn load(self: Arc<Self>, task: usize) {
        let key = &self.sessions.each[task].key;
        let loaded = self.store.load(key, Load::default()).await.expect("an answer");
        assert!(matches!(loaded, Loaded::Found { .. }), "{loaded:?}");
    }

    async fn replace(self: Arc<Self>, task: usize) {
        let One { key, revision, .. } = &self.sessions.each[task];
        let expected = Revision::new(revision.fetch_add(1, Ordering::Relaxed).unsigned_abs());
        let replaced = self.store.replace(key, &self.sessions.record, expected).await;
        let replaced = replaced.expect("an answer");
        assert!(matches!(replaced, Replaced::Replaced(_)), "{replaced:?}");
    }
}

struct Bare<D: Statements> {
    connections: Vec<Mutex<D::Connection>>,
    writers: usize,
    sessions: Sessions,
}

impl<D: Statements> Bare<D> {
    async fn load(self: Arc<Self>, task: usize) {
        let mut connection = self.connections[task].lock().await;
        D::load(&mut connection, &self.sessions, task).await;
    }

    async fn replace(self: Arc<Self>, task: usize) {
        let mut connection = self.connections[task % self.writers].lock().await;
        D::replace(&mut connection, &self.sessions, task).await;
    }
}

struct Pool<D: Statements> {
    reads: sqlx::Pool<D>,
    writes: sqlx::Pool<D>,
    sessions: Sessions,
}

impl<D: Statements> Pool<D> {
    async fn load(self: Arc<Self>, task: usize) {
        let mut connection = self.reads.acquire().await.expect("a connection");
        D::load(&mut connection, &self.sessions, task).await;
    }

    async fn replace(self: Arc<Self>, task: usize) {
        let mut connection = self.writes.acquire().await.expect("a connection");
        D::replace(&mut connection, &self.sessions, task).await;
    }
}

/// Those of one way, one for each task.
struct Sessions {
    each: Vec<One>,
    record: Record,
}

struct One {
    key: Key,
    /// As the column holds it.
    bytes: Vec<u8>,
    revision: AtomicI64,
}

impl Sessions {
    async fn of(store: &SqlStore) -> Self {
        let mut record = sample::record(SystemClock.now());
        record.payload = Payload::new(format!(r#"{{"theme":"{}"}}"#, "x".repeat(PAYLOAD - 12)));
        let mut each = Vec::new();
        for _ in 0..UNDER_WAY {
            let key = sample::key();
            let created = store.create(&key, &record).await.expect("an answer");
            assert!(matches!(created, Created::Created(_)), "{created:?}");
            let bytes = [key.partition().as_bytes().as_slice(), key.digest()].concat();
            each.push(One { key, bytes, revision: AtomicI64::new(1) });
        }
        Self { each, record }
    }
}

type Options<D> = <<D as sqlx::Database>::Connection as Connection>::Options;

/// The columns of a session, which a load reads.
type Row = (
    i64,
    i64,
    Option<i64>,
    i64,
    i64,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<Vec<u8>>,
);

/// The statements of the store, by sqlx itself.
trait Statements: sqlx::Database {
    fn load(
        connection: &mut Self::Connection,
        sessions: &Sessions,
        task: usize,
    ) -> impl Future<Output = ()> + Send;

    fn replace(
        connection: &mut Self::Connection,
        sessions: &Sessions,
        task: usize,
    ) -> impl Future<Output = ()> + Send;
}

/// Binds the columns of a record and its payload.
macro_rules! bind_record {
    ($query:expr, $record:expr, $revision:expr) => {
        $query
            .bind($revision)
            .bind($record.created_at.as_millis())
            .bind($record.authenticated_at.map(|at| at.as_millis()))
            .bind($record.idle_deadline.as_millis())
            .bind($record.absolute_deadline.as_millis())
            .bind(None::<i64>)
            .bind(None::<i64>)
            .bind(None::<&str>)
            .bind(None::<&str>)
            .bind(None::<&str>)
            .bind(&$record.payload.as_bytes()[..])
    };
}

fn now() -> i64 {
    SystemClock.now().as_millis()
}

impl Statements for sqlx::Postgres {
    async fn load(connection: &mut PgConnection, sessions: &Sessions, task: usize) {
        let query = sqlx::query_as(
            "SELECT revision, created_at, authenticated_at, idle_deadline, absolute_deadline, \
             idle_timeout, absolute_timeout, subject, user_agent, address, \
             CASE WHEN revision = $3 THEN NULL ELSE payload END FROM sessions \
             WHERE session_key = $1 AND ends_at + 0 > $2",
        );
        let query = query.bind(&sessions.each[task].bytes).bind(now()).bind(None::<i64>);
        let _: Row = query.fetch_one(connection).await.expect("a session");
    }

    async fn replace(connection: &mut PgConnection, sessions: &Sessions, task: usize) {
        let One { bytes, revision, .. } = &sessions.each[task];
        let expected = revision.fetch_add(1, Ordering::Relaxed);
        let query = sqlx::query(
            "WITH replaced AS (UPDATE sessions SET revision = $2, created_at = $3, \
             authenticated_at = $4, idle_deadline = $5, absolute_deadline = $6, \
             idle_timeout = $7, absolute_timeout = $8, subject = $9, user_agent = $10, \
             address = $11, payload = $12 \
             WHERE session_key = $1 AND ends_at + 0 > $13 AND revision = $14 RETURNING 1) \
             SELECT pg_notify($15, $16) FROM replaced",
        );
        let query = bind_record!(query.bind(bytes), sessions.record, expected + 1);
        let query = query.bind(now()).bind(expected).bind("changes").bind(MESSAGE);
        assert_eq!(query.fetch_all(connection).await.expect("an answer").len(), 1);
    }
}

/// As long as an announcement.
const MESSAGE: &str = "0123456789012345678901234567890123456789012345678901234567890123";

impl Statements for sqlx::MySql {
    async fn load(connection: &mut MySqlConnection, sessions: &Sessions, task: usize) {
        let query = sqlx::query_as(
            "SELECT revision, created_at, authenticated_at, idle_deadline, absolute_deadline, \
             idle_timeout, absolute_timeout, CONVERT(subject USING utf8mb4), user_agent, address, \
             CASE WHEN revision = ? THEN NULL ELSE payload END FROM sessions \
             WHERE session_key = ? AND ends_at + 0 > ?",
        );
        let query = query.bind(None::<i64>).bind(&sessions.each[task].bytes).bind(now());
        let _: Row = query.fetch_one(connection).await.expect("a session");
    }

    async fn replace(connection: &mut MySqlConnection, sessions: &Sessions, task: usize) {
        let One { bytes, revision, .. } = &sessions.each[task];
        let expected = revision.fetch_add(1, Ordering::Relaxed);
        let query = sqlx::query(
            "UPDATE sessions SET revision = ?, created_at = ?, authenticated_at = ?, \
             idle_deadline = ?, absolute_deadline = ?, idle_timeout = ?, absolute_timeout = ?, \
             subject = ?, user_agent = ?, address = ?, payload = ? \
             WHERE session_key = ? AND ends_at + 0 > ? AND revision = ?",
        );
        let query = bind_record!(query, sessions.record, expected + 1);
        let query = query.bind(bytes).bind(now()).bind(expected);
        assert_eq!(query.execute(connection).await.expect("an answer").rows_affected(), 1);
    }
}

impl Statements for sqlx::Sqlite {
    async fn load(connection: &mut SqliteConnection, sessions: &Sessions, task: usize) {
        let query = sqlx::query_as(
            "SELECT revision, created_at, authenticated_at, idle_deadline, absolute_deadline, \
             idle_timeout, absolute_timeout, subject, user_agent, address, \
             CASE WHEN revision = ?3 THEN NULL ELSE payload END FROM sessions \
             WHERE session_key = ?1 AND ends_at + 0 > ?2",
        );
        let query = query.bind(&sessions.each[task].bytes).bind(now()).bind(None::<i64>);
        let _: Row = query.fetch_one(connection).await.expect("a session");
    }

    async fn replace(connection: &mut SqliteConnection, sessions: &Sessions, task: usize) {
        let One { bytes, revision, .. } = &sessions.each[task];
        let expected = revision.fetch_add(1, Ordering::Relaxed);
        let query = sqlx::query(
            "UPDATE sessions SET revision = ?2, created_at = ?3, authenticated_at = ?4, \
             idle_deadline = ?5, absolute_deadline = ?6, idle_timeout = ?7, absolute_timeout = ?8, \
             subject = ?9, user_agent = ?10, address = ?11, payload = ?12 \
             WHERE session_key = ?1 AND ends_at + 0 > ?13 AND revision = ?14 RETURNING 1",
        );
        let query = bind_record!(query.bind(bytes), sessions.record, expected + 1);
        let query = query.bind(now()).bind(expected);
        assert_eq!(query.fetch_all(connection).await.expect("an answer").len(), 1);
    }
}

//! What the Redis store costs beside the same round trips by the bare driver, in one run.
//!
//! `cargo bench -p benches --bench redis` starts a server of its own (`redis-server` must be installed: on Debian, `apt-get install redis-server`)
//! and prints, for each piece of work, the CPU time this process takes for one (the server's is not
//! in it) and how many are done in a second, with 64 under way at a time. What is compared is
//! interleaved, round by round; a figure is the median of the rounds, a ratio that of each round.
//! Ours do more: conditions, announcements, and whole requests through a router.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use redis::aio::MultiplexedConnection;
use session_axum::{Session, SessionLayer};
use session_core::{
    Clock as _, Created, Key, Load, Partition, Payload, Record, Replaced, Revision, Sessions,
    Store as _, SystemClock,
};
use session_redis::{RedisStore, Topology};
use session_testkit::sample;
use session_testkit::servers::Redis;
use tower::ServiceExt as _;

const ROUNDS: usize = 7;
const UNDER_WAY: usize = 64;
const PER_TASK: usize = 250;
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
    let server = Redis::start().await;
    let bench = Arc::new(Bench::on(&server).await);
    println!("| work | bare, us CPU | ours, us CPU | ratio | bare, 1/s | ours, 1/s |");
    println!("|---|---|---|---|---|---|");
    compare("read: GET", work(&bench, Bench::bare_get), work(&bench, Bench::load)).await;
    compare(
        "write: EVALSHA of SET and PUBLISH",
        work(&bench, Bench::bare_script),
        work(&bench, Bench::replace),
    )
    .await;
    compare("create: SET", work(&bench, Bench::bare_set), work(&bench, Bench::create)).await;
    compare(
        "request that reads",
        work(&bench, Bench::bare_get_request),
        work(&bench, Bench::read_request),
    )
    .await;
    compare(
        "request that increments, sessions of their own",
        work(&bench, Bench::bare_both_request),
        work(&bench, Bench::increment_request),
    )
    .await;
    compare(
        "request that increments, all the same session",
        work(&bench, Bench::bare_both_request),
        work(&bench, Bench::contended_request),
    )
    .await;
}

type Work = Arc<dyn Fn(usize) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// One piece of work, for the task of this number.
fn work<F: Future<Output = ()> + Send + 'static>(
    bench: &Arc<Bench>,
    one: impl Fn(Arc<Bench>, usize) -> F + Send + Sync + 'static,
) -> Work {
    let bench = Arc::clone(bench);
    Arc::new(move |task| Box::pin(one(Arc::clone(&bench), task)))
}

async fn compare(name: &str, bare: Work, ours: Work) {
    let (mut before, mut after, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    measure(&bare).await;
    measure(&ours).await;
    for _ in 0..ROUNDS {
        let (one, two) = (measure(&bare).await, measure(&ours).await);
        ratios.push(two.cpu / one.cpu);
        before.push(one);
        after.push(two);
    }
    let cpu = |all: &[Measured]| median(all.iter().map(|one| one.cpu).collect());
    let rate = |all: &[Measured]| median(all.iter().map(|one| one.rate).collect());
    println!(
        "| {name} | {:.2} | {:.2} | {:.2} ({:.2} to {:.2}) | {:.0} | {:.0} |",
        cpu(&before),
        cpu(&after),
        median(ratios.clone()),
        ratios.iter().copied().fold(f64::INFINITY, f64::min),
        ratios.iter().copied().fold(0.0, f64::max),
        rate(&before),
        rate(&after),
    );
}

/// Microseconds of this process for each, and how many a second.
struct Measured {
    cpu: f64,
    rate: f64,
}

async fn measure(work: &Work) -> Measured {
    let (cpu, clock) = (cpu_time(), Instant::now());
    let tasks: Vec<_> = (0..UNDER_WAY)
        .map(|task| {
            let work = Arc::clone(work);
            tokio::spawn(async move {
                for _ in 0..PER_TASK {
                    work(task).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("work that is done");
    }
    let done = (UNDER_WAY * PER_TASK) as f64;
    let cpu = (cpu_time() - cpu).as_secs_f64() * 1e6 / done;
    Measured { cpu, rate: done / clock.elapsed().as_secs_f64() }
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

struct Bench {
    connection: MultiplexedConnection,
    script: String,
    value: Vec<u8>,
    store: RedisStore,
    keys: Vec<Key>,
    revisions: Vec<AtomicU64>,
    created: AtomicU64,
    record: Record,
    app: Router,
    bare: Router,
    cookies: Vec<String>,
}

impl Bench {
    async fn on(server: &Redis) -> Self {
        let mut connection = server.connection().await;
        let script = "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) \
                      redis.call('PUBLISH', ARGV[3], ARGV[4]) return 1";
        let mut load = redis::cmd("SCRIPT");
        let load = load.arg("LOAD").arg(script);
        let script: String = load.query_async(&mut connection).await.expect("a script");
        let mut record = sample::record(SystemClock.now());
        record.payload = Payload::new(format!(r#"{{"theme":"{}"}}"#, "x".repeat(PAYLOAD - 12)));
        let topology = Topology::single(&server.url()).expect("a URL");
        let store = RedisStore::builder(topology).build().expect("a store");
        let sessions = Sessions::builder(store.clone()).build().expect("sessions");
        let app = Router::new()
            .route("/read", get(read))
            .route("/increment", get(increment))
            .layer(SessionLayer::new(sessions.clone()));
        let bare = Router::new().route("/", get(async || "ok"));
        let value = vec![b'x'; PAYLOAD + 40];
        let mut bench = Self {
            connection,
            script,
            value,
            store,
            keys: Vec::new(),
            revisions: Vec::new(),
            created: AtomicU64::new(0),
            record,
            app,
            bare,
            cookies: Vec::new(),
        };
        for task in 0..UNDER_WAY {
            let key = sample::key();
            let created = bench.store.create(&key, &bench.record).await.expect("an answer");
            let Created::Created(revision) = created else { panic!("{created:?}") };
            bench.keys.push(key);
            bench.revisions.push(AtomicU64::new(revision.get()));
            bench.bare_set_for(task).await;
            bench.cookies.push(cookie(&sessions).await);
        }
        bench
    }

    fn name(task: usize) -> String {
        format!("bare:{{{task:04x}}}:0123456789012345678901234567890123456789012")
    }

    async fn bare_get(self: Arc<Self>, task: usize) {
        let mut command = redis::cmd("GET");
        let mut connection = self.connection.clone();
        let value: Vec<u8> =
            command.arg(Self::name(task)).query_async(&mut connection).await.expect("a value");
        assert_eq!(value.len(), self.value.len());
    }

    async fn load(self: Arc<Self>, task: usize) {
        self.store.load(&self.keys[task], Load::default()).await.expect("a session");
    }

    fn script_call(&self, task: usize) -> redis::Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.script).arg(1).arg(Self::name(task));
        command.arg(&self.value).arg(1_800_000).arg("changes").arg(&self.value[..43]);
        command
    }

    async fn bare_script(self: Arc<Self>, task: usize) {
        let mut connection = self.connection.clone();
        let command = self.script_call(task);
        command.exec_async(&mut connection).await.expect("an answer");
    }

    async fn replace(self: Arc<Self>, task: usize) {
        let revision = &self.revisions[task];
        let expected = Revision::new(revision.load(Ordering::Relaxed));
        let answer = self.store.replace(&self.keys[task], &self.record, expected).await;
        match answer.expect("an answer") {
            Replaced::Replaced(next) => revision.store(next.get(), Ordering::Relaxed),
            other => panic!("{other:?}"),
        }
    }

    async fn bare_set_for(&self, task: usize) {
        let mut command = redis::cmd("SET");
        command.arg(Self::name(task)).arg(&self.value).arg("PX").arg(1_800_000);
        command.exec_async(&mut self.connection.clone()).await.expect("an answer");
    }

    async fn bare_set(self: Arc<Self>, task: usize) {
        self.bare_set_for(task).await;
    }

    async fn create(self: Arc<Self>, _: usize) {
        self.store.create(&self.next_key(), &self.record).await.expect("an answer");
    }

    fn next_key(&self) -> Key {
        let number = self.created.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut digest = [0; Key::DIGEST_BYTES];
        digest[..8].copy_from_slice(&number);
        Key::from_parts(Partition::new([number[6], number[7]]), digest)
    }

    async fn bare_get_request(self: Arc<Self>, task: usize) {
        self.request(&self.bare, "/", task).await;
        self.bare_get(task).await;
    }

    async fn bare_both_request(self: Arc<Self>, task: usize) {
        self.request(&self.bare, "/", task).await;
        Arc::clone(&self).bare_get(task).await;
        self.bare_script(task).await;
    }

    async fn read_request(self: Arc<Self>, task: usize) {
        self.request(&self.app, "/read", task).await;
    }

    async fn increment_request(self: Arc<Self>, task: usize) {
        self.request(&self.app, "/increment", task).await;
    }

    async fn contended_request(self: Arc<Self>, _: usize) {
        self.request(&self.app, "/increment", 0).await;
    }

    async fn request(&self, app: &Router, path: &str, task: usize) {
        let request = Request::get(path).header("cookie", &self.cookies[task]);
        let request = request.body(Body::empty()).expect("a request");
        let response = app.clone().oneshot(request).await.expect("a response");
        assert!(response.status().is_success(), "{}", response.status());
    }
}

async fn read(session: Session) -> String {
    let theme = session.get::<String>("theme").ok().flatten();
    theme.map_or(0, |theme| theme.len()).to_string()
}

async fn increment(session: Session) -> String {
    session.update("count", |count| count.unwrap_or(0_u64) + 1).map_or(0, |count| count).to_string()
}

/// The cookie of a new session with a payload of about [`PAYLOAD`] bytes.
async fn cookie(sessions: &Sessions) -> String {
    let lazy = sessions.open([]);
    let session = lazy.load().await.expect("a session");
    session.insert("theme", &"x".repeat(PAYLOAD - 24)).expect("a value");
    session.insert("count", &0_u64).expect("a value");
    let header = lazy.finish(false).await.header.expect("a cookie");
    header.split("; ").next().expect("a pair").to_owned()
}

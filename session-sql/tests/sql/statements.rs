//! What operations cost: statements, as the servers count them, and round trips, counted on the way.
//!
//! SQLite counts no statements, and nothing goes to and fro.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use session_core::{
    Clock as _, Created, Load, Loaded, Payload, Record, Replaced, Revision, Store as _,
    SystemClock, Touch, Touched,
};
use session_sql::{SqlStore, SqlStoreBuilder};
use session_testkit::sample;
use session_testkit::servers::{MariaDb, Postgres};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::fixture;

const NONE: &str = "0 statements, 0 round trips";
const ONE: &str = "1 statement, 1 round trip";
const TWO: &str = "2 statements, 2 round trips";
const THREE: &str = "3 statements, 3 round trips";

const PAYLOAD: usize = 10_000;
const TOUCHES: usize = 512;

/// After this, a connection may be taken to have rested: it is a second.
const REST: Duration = Duration::from_millis(900);

#[tokio::test]
async fn an_operation_is_one_statement_on_postgres() {
    let mut meter = Meter::on(Server::Postgres(counting_postgres().await)).await;
    let store = meter.store(|builder| builder);
    // The first time, each statement is prepared.
    do_everything(&mut meter, &store, ONE).await;
    meter.is_warm = true;
    do_everything(&mut meter, &store, ONE).await;
}

#[tokio::test]
async fn an_operation_is_one_statement_on_mariadb_unless_something_is_gone() {
    let mut meter = Meter::on(Server::MariaDb(MariaDb::start().await)).await;
    let store = meter.store(|builder| builder);
    do_everything(&mut meter, &store, TWO).await;
    meter.is_warm = true;
    do_everything(&mut meter, &store, TWO).await;
}

#[tokio::test]
async fn a_pooler_gets_a_transaction_for_each_statement_which_is_prepared_anew() {
    let mut meter = Meter::on(Server::Postgres(counting_postgres().await)).await;
    let store = meter.store(SqlStoreBuilder::through_transaction_pooler);
    let load = async || store.load(&sample::key(), Load::default()).await.unwrap();
    load().await;
    meter.is_warm = true;
    for _ in 0..2 {
        meter.expect("load", "5 statements, 4 round trips", load).await;
    }
}

/// `partly_gone` is the cost of touches and deletes that do not find everything: on MySQL, an update or
/// a delete does not tell what it has found.
async fn do_everything(meter: &mut Meter, store: &SqlStore, partly_gone: &str) {
    const FIRST: Revision = Revision::new(1);
    const SECOND: Revision = FIRST.next();

    let (key, successor, record) = (sample::key(), sample::key(), record());
    let create = async || store.create(&key, &record).await.unwrap();
    let created = meter.expect("create", ONE, create).await;
    assert!(matches!(created, Created::Created(FIRST)), "{created:?}");
    let created = meter.expect("create what is there", THREE, create).await;
    assert!(matches!(created, Created::Duplicate), "{created:?}");

    let load = async || store.load(&key, Load::default()).await.unwrap();
    let loaded = meter.expect("load", ONE, load).await;
    assert!(matches!(loaded, Loaded::Found { .. }), "{loaded:?}");
    let whole = meter.cost(load).await.1;
    let load = async || store.load(&key, Load::default().known(FIRST)).await.unwrap();
    let loaded = meter.expect("load what is known", ONE, load).await;
    assert!(matches!(loaded, Loaded::Unchanged { .. }), "{loaded:?}");
    // The payload stays where it is.
    let known = meter.cost(load).await.1;
    assert!(whole.received >= known.received + PAYLOAD as u64, "{whole:?}, {known:?}");
    let load = async || store.load(&successor, Load::default()).await.unwrap();
    let loaded = meter.expect("load what is not there", ONE, load).await;
    assert!(matches!(loaded, Loaded::Absent), "{loaded:?}");

    let replace = async || store.replace(&key, &record, FIRST).await.unwrap();
    let replaced = meter.expect("replace", ONE, replace).await;
    assert!(matches!(replaced, Replaced::Replaced(SECOND)), "{replaced:?}");
    let replaced = meter.expect("a conflict", TWO, replace).await;
    assert!(matches!(replaced, Replaced::Conflict(_)), "{replaced:?}");
    let rotate = async || store.rotate(&key, &successor, &record, SECOND).await.unwrap();
    let rotated = meter.expect("rotate", ONE, rotate).await;
    assert!(matches!(rotated, Replaced::Replaced(_)), "{rotated:?}");
    let rotated = meter.expect("rotate what is gone", TWO, rotate).await;
    assert!(matches!(rotated, Replaced::Gone), "{rotated:?}");

    let (index, subject) = (store.subjects().unwrap(), record.subject.as_ref().unwrap());
    let list = async || index.list(subject, None, 10).await.unwrap();
    assert_eq!(meter.expect("list", ONE, list).await.sessions.len(), 1);

    let delete = async || store.delete(&successor).await.unwrap();
    assert!(meter.expect("delete", ONE, delete).await);
    assert!(!meter.expect("delete what is gone", partly_gone, delete).await);

    let mut touches = Vec::with_capacity(TOUCHES);
    for _ in 0..TOUCHES {
        let touch = Touch { key: sample::key(), idle_deadline: record.absolute_deadline };
        store.create(&touch.key, &ended()).await.unwrap();
        touches.push(touch);
    }
    let purge = async || store.purge_expired(TOUCHES - 1).await.unwrap();
    assert_eq!(meter.expect("purge", ONE, purge).await, TOUCHES - 1);
    assert_eq!(meter.expect("purge the last one", ONE, purge).await, 1);
    assert_eq!(meter.expect("purge nothing", ONE, purge).await, 0);

    for touch in &touches {
        store.create(&touch.key, &record).await.unwrap();
    }
    for some in [&touches[..1], &touches] {
        let touch = async || store.touch(some).await.unwrap();
        assert_eq!(meter.expect("touch", ONE, touch).await, vec![Touched::Done; some.len()]);
    }
    touches[0].key = key;
    let touch = async || store.touch(&touches).await.unwrap();
    let touched = meter.expect("touch what is gone", partly_gone, touch).await;
    assert_eq!(touched[..2], [Touched::Gone, Touched::Done]);

    let nothing = async || {
        assert_eq!(store.touch(&[]).await.unwrap(), []);
        store.fence().await.unwrap();
        store.flush().await.unwrap();
    };
    meter.expect("nothing", NONE, nothing).await;
}

fn record() -> Record {
    let subject = Some(sample::subject());
    let payload = Payload::new(vec![b' '; PAYLOAD]);
    Record { subject, payload, ..sample::record(SystemClock.now()) }
}

fn ended() -> Record {
    Record { idle_deadline: SystemClock.now(), ..sample::record(SystemClock.now()) }
}

async fn counting_postgres() -> Postgres {
    let builder = Postgres::builder().config("shared_preload_libraries", "pg_stat_statements");
    let postgres = builder.start().await;
    postgres.query("CREATE EXTENSION pg_stat_statements").await;
    postgres
}

enum Server {
    Postgres(Postgres),
    MariaDb(MariaDb),
}

impl Server {
    fn address(&self) -> SocketAddr {
        match self {
            Self::Postgres(server) => server.address(),
            Self::MariaDb(server) => server.address(),
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Postgres(server) => server.url(),
            Self::MariaDb(server) => server.url(),
        }
    }

    /// How many statements it has executed for the store so far.
    async fn executed(&self) -> u64 {
        match self {
            Self::Postgres(server) => {
                let sum = "SELECT COALESCE(SUM(calls), 0) FROM pg_stat_statements \
                           WHERE userid = 'app'::REGROLE";
                server.query(sum).await.parse().unwrap()
            }
            Self::MariaDb(server) => {
                let sum = "SELECT SUM(variable_value) FROM information_schema.global_status \
                           WHERE variable_name IN ('com_stmt_execute', 'com_stmt_prepare')";
                server.query(sum).await.parse().unwrap()
            }
        }
    }
}

/// Counts what a store and its server say to each other.
struct Meter {
    server: Server,
    line: Arc<Line>,
    address: SocketAddr,
    /// Whether all that is done has been done before, and is compared.
    is_warm: bool,
    /// When something was done for the last time.
    used_at: Instant,
}

/// What something has cost.
#[derive(Debug)]
struct Cost {
    statements: u64,
    trips: u64,
    /// From the server, in bytes.
    received: u64,
    /// Whether the connection has rested before, so that it may have been asked for a sign of life:
    /// nothing keeps a busy machine from that.
    has_rested: bool,
}

impl Cost {
    fn statements(&self) -> String {
        format!("{} statement{}, ", self.statements, plural(self.statements))
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} round trip{}", self.statements(), self.trips, plural(self.trips))
    }
}

fn plural(number: u64) -> &'static str {
    if number == 1 { "" } else { "s" }
}

impl Meter {
    async fn on(server: Server) -> Self {
        let line = Arc::new(Line::default());
        let address = Line::relay(&line, server.address()).await;
        Self { server, line, address, is_warm: false, used_at: Instant::now() }
    }

    /// A store with one connection, which goes over the line.
    fn store(&self, configure: impl FnOnce(SqlStoreBuilder) -> SqlStoreBuilder) -> SqlStore {
        let (server, line) = (self.server.address().to_string(), self.address.to_string());
        let url = self.server.url().replace(&server, &line);
        configure(fixture::builder(&url, "").max_connections(1)).build().unwrap()
    }

    async fn expect<T>(
        &mut self,
        what: &str,
        expected: &str,
        something: impl AsyncFnOnce() -> T,
    ) -> T {
        let (done, cost) = self.cost(something).await;
        let told = if cost.has_rested { cost.statements() } else { cost.to_string() };
        assert!(!self.is_warm || expected.starts_with(&told), "{what}: {cost}");
        done
    }

    async fn cost<T>(&mut self, something: impl AsyncFnOnce() -> T) -> (T, Cost) {
        let before = self.server.executed().await;
        let (trips, received) = self.line.counts();
        let has_rested = self.used_at.elapsed() >= REST;
        let done = something().await;
        self.used_at = Instant::now();
        let (trips_after, received_after) = self.line.counts();
        let cost = Cost {
            statements: self.server.executed().await - before,
            trips: trips_after - trips,
            received: received_after - received,
            has_rested,
        };
        (done, cost)
    }
}

/// What goes over the one connection between a store and its server.
#[derive(Default)]
struct Line {
    trips: AtomicU64,
    received: AtomicU64,
    /// Whether the server has not said anything since the store has.
    is_asked: AtomicBool,
}

impl Line {
    /// How many round trips there were so far, and how many bytes have come from the server.
    fn counts(&self) -> (u64, u64) {
        (self.trips.load(Ordering::SeqCst), self.received.load(Ordering::SeqCst))
    }

    /// Where to connect to for `server`.
    async fn relay(line: &Arc<Self>, server: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let line = Arc::clone(line);
        tokio::spawn(async move {
            loop {
                let (store, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(server).await.unwrap();
                let ((from_store, to_store), (from_server, to_server)) =
                    (store.into_split(), server.into_split());
                let asking = Arc::clone(&line);
                tokio::spawn(pass(from_store, to_server, move |_| {
                    if !asking.is_asked.swap(true, Ordering::SeqCst) {
                        asking.trips.fetch_add(1, Ordering::SeqCst);
                    }
                }));
                let answering = Arc::clone(&line);
                tokio::spawn(pass(from_server, to_store, move |bytes| {
                    answering.is_asked.store(false, Ordering::SeqCst);
                    answering.received.fetch_add(bytes as u64, Ordering::SeqCst);
                }));
            }
        });
        address
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, count: impl Fn(usize)) {
    let mut chunk = vec![0; 64 << 10];
    while let Ok(bytes @ 1..) = from.read(&mut chunk).await {
        count(bytes);
        if to.write_all(&chunk[..bytes]).await.is_err() {
            return;
        }
    }
}

//! What a request costs that is answered from the layered store's cache, beside the same router
//! without sessions; and how soon a log-out is seen on another node. In one run.
//!
//! `cargo bench -p benches --bench layered` starts a Redis of its own (`redis-server` must be
//! installed), serves over loopback, and has another process ask, 32 connections at a time. Told is
//! the CPU time of the serving process for each request: the asking one's and Redis' are not in it.
//! What is compared is interleaved, round by round; a figure is the median of the rounds, a ratio
//! the median of each round's, beside what is taken as the floor.

mod over_http;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use redis::aio::MultiplexedConnection;
use session_axum::{Session, SessionLayer};
use session_core::{Clock as _, Key, Load, Loaded, Sessions, Source, Store, SystemClock};
use session_layered::Layered;
use session_memory::MemoryStore;
use session_redis::{RedisStore, Topology};
use session_testkit::sample;
use session_testkit::servers::Redis;

use self::over_http::{CONNECTIONS, REQUESTS, ask, measure, quartiles, serve, sign_in};

const ROUNDS: usize = 25;
const LOG_OUTS: usize = 2_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = |workers| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(workers).enable_all().build().expect("a runtime")
    };
    match arguments.iter().position(|argument| argument == "ask") {
        Some(at) => runtime(1).block_on(ask(&arguments[at + 1..])),
        None => runtime(2).block_on(async {
            compare_requests().await;
            time_log_outs().await;
        }),
    }
}

/// One way to answer, and what is asked.
struct Variant {
    name: &'static str,
    address: SocketAddr,
    path: &'static str,
    /// One for each connection: sessions of their own.
    cookies: Vec<String>,
}

async fn compare_requests() {
    let server = Redis::start().await;
    let redis = || {
        let topology = Topology::single(&server.url()).expect("an address");
        RedisStore::builder(topology).build().expect("a store")
    };
    let layered = Layered::builder(redis()).build().expect("a store");
    let connection = server.connection().await;
    let variants = [
        Variant::bare("no sessions", "/bare", connection.clone()).await,
        Variant::bare("one bare GET", "/get", connection).await,
        Variant::new("embedded store, read", "/read", Arc::new(MemoryStore::new())).await,
        Variant::new("layered, untouched", "/bare", Arc::new(layered.clone())).await,
        Variant::new("layered, warm read", "/read", Arc::new(layered.clone())).await,
        Variant::new("Redis, read", "/read", Arc::new(redis())).await,
        Variant::new("layered, increment", "/increment", Arc::new(layered.clone())).await,
        Variant::new("Redis, increment", "/increment", Arc::new(redis())).await,
    ];
    let mut rounds: Vec<Vec<f64>> = vec![Vec::new(); variants.len()];
    let before = layered.stats();
    for round in 0..=ROUNDS {
        for (variant, costs) in variants.iter().zip(&mut rounds) {
            let cost = measure(variant.address, variant.path, &variant.cookies).await;
            // The first warms up.
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    println!(
        "| request | us CPU | over the floor (the middle half of the rounds) |\n|---|---|---|"
    );
    for (variant, costs) in variants.iter().zip(&rounds) {
        let ratios: Vec<f64> =
            costs.iter().zip(&rounds[0]).map(|(cost, floor)| cost / floor).collect();
        let [low, middle, high] = quartiles(ratios);
        let (name, [_, cost, _]) = (variant.name, quartiles(costs.clone()));
        println!("| {name} | {cost:.2} | {middle:.3} ({low:.3} to {high:.3}) |");
    }
    let after = layered.stats();
    let read = (ROUNDS + 1) * REQUESTS * 2;
    println!("\n{} of {read} reads through the layered store were hits", after.hits - before.hits);
}

impl Variant {
    async fn bare(
        name: &'static str,
        path: &'static str,
        connection: MultiplexedConnection,
    ) -> Self {
        let address = serve(routes().with_state(Some(connection))).await;
        Self { name, address, path, cookies: vec!["theme=dark".to_owned(); CONNECTIONS] }
    }

    async fn new(name: &'static str, path: &'static str, store: Arc<dyn Store>) -> Self {
        let sessions = Sessions::builder_shared(store).build().expect("sessions");
        let mut cookies = Vec::new();
        for _ in 0..CONNECTIONS {
            cookies.push(sign_in(&sessions).await);
        }
        let app = routes().with_state(None).layer(SessionLayer::new(sessions));
        Self { name, address: serve(app).await, path, cookies }
    }
}

fn routes() -> Router<Option<MultiplexedConnection>> {
    Router::new()
        .route("/bare", get(async || "0"))
        .route(
            "/get",
            get(async |State(connection): State<Option<MultiplexedConnection>>| {
                let mut connection = connection.expect("a connection");
                let value: Option<String> = redis::cmd("GET")
                    .arg("nothing")
                    .query_async(&mut connection)
                    .await
                    .expect("an answer");
                value.map_or("0", |_| "1")
            }),
        )
        .route(
            "/read",
            get(async |session: Session| {
                session.get::<u64>("counter").ok().flatten().unwrap_or(0).to_string()
            }),
        )
        .route(
            "/increment",
            get(async |session: Session| {
                session.update("counter", |n| n.unwrap_or(0_u64) + 1).unwrap_or(0).to_string()
            }),
        )
}

/// From the acknowledgement of a log-out on one node to the first refusal by another, which holds
/// the session in its cache and is asked without a pause.
async fn time_log_outs() {
    let server = Redis::start().await;
    let node = || {
        let topology = Topology::single(&server.url()).expect("an address");
        let shared = RedisStore::builder(topology).build().expect("a store");
        Layered::builder(shared).build().expect("a store")
    };
    let (one, other) = (node(), node());
    while one.stats().lease_left.is_zero() || other.stats().lease_left.is_zero() {
        tokio::task::yield_now().await;
    }
    let mut delays = Vec::with_capacity(LOG_OUTS);
    for _ in 0..LOG_OUTS {
        let (key, record) = (sample::key(), sample::record(SystemClock.now()));
        one.create(&key, &record).await.expect("a session");
        while !is_local(&other, &key).await {}
        one.delete(&key).await.expect("a log-out");
        let acknowledged = Instant::now();
        while is_local(&other, &key).await {}
        delays.push(acknowledged.elapsed());
    }
    delays.sort();
    let at = |share: usize| delays[(delays.len() - 1) * share / 1_000];
    println!(
        "\na log-out is seen on the other node after p50 {:?}, p99 {:?}, max {:?} ({LOG_OUTS} times)",
        at(500),
        at(990),
        at(1_000),
    );
}

async fn is_local(store: &Layered, key: &Key) -> bool {
    let loaded = store.load(key, Load::default()).await.expect("an answer");
    matches!(loaded, Loaded::Found { source: Source::Local, .. })
}

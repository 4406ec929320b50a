//! What it costs a whole request that its stores and sessions are observed, beside the same request
//! that nobody observes.
//!
//! `cargo bench -p benches --bench observe` has spans switched off by their level and metrics read
//! by Prometheus' exporter; with `-- spans` spans are recorded, and dropped. Served and asked as in
//! `layered`: told is the CPU time of the serving process, interleaved round by round.

mod over_http;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use session_axum::{Session, SessionLayer};
use session_core::{Sessions, Store};
use session_layered::Layered;
use session_layered::observe::{Observed, SessionMetrics};
use session_memory::MemoryStore;
use tracing::Level;

use self::over_http::{CONNECTIONS, ask, measure, quartiles, serve, sign_in};

const ROUNDS: usize = 41;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = |workers| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(workers).enable_all().build().expect("a runtime")
    };
    if let Some(at) = arguments.iter().position(|argument| argument == "ask") {
        return runtime(1).block_on(ask(&arguments[at + 1..]));
    }
    let spans = arguments.iter().any(|argument| argument == "spans");
    let level = if spans { Level::DEBUG } else { Level::WARN };
    let subscriber = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::sink);
    tracing::subscriber::set_global_default(subscriber.finish()).expect("no other subscriber");
    println!("spans are {}", if spans { "recorded" } else { "off" });
    runtime(2).block_on(compare());
}

/// The same requests with and without.
struct Pair {
    name: &'static str,
    path: &'static str,
    without: Served,
    with: Served,
}

struct Served {
    address: SocketAddr,
    cookies: Vec<String>,
}

async fn compare() {
    let registry = prometheus::Registry::new();
    let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(exporter.expect("a reader")).build();
    let meter = provider.meter("bench");
    let pairs = [
        Pair::new("embedded store, read", "/read", embedded, &meter).await,
        Pair::new("embedded store, increment", "/increment", embedded, &meter).await,
        Pair::new("layered, warm read", "/read", layered, &meter).await,
        Pair::new("layered, increment", "/increment", layered, &meter).await,
        Pair::new("no session is asked for", "/bare", embedded, &meter).await,
    ];
    println!(
        "| request | us CPU, not observed | observed | over (the middle half) |\n|---|---|---|---|"
    );
    let mut rounds = vec![Vec::new(); pairs.len()];
    for round in 0..=ROUNDS {
        for (pair, costs) in pairs.iter().zip(&mut rounds) {
            let cost = pair.measure(round % 2 == 0).await;
            // The first warms up.
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    for (pair, costs) in pairs.iter().zip(&rounds) {
        let of = |which: fn(&(f64, f64)) -> f64| quartiles(costs.iter().map(which).collect());
        let [low, middle, high] = of(|(without, with)| with / without);
        let ([_, without, _], [_, with, _]) = (of(|it| it.0), of(|it| it.1));
        let name = pair.name;
        println!("| {name} | {without:.2} | {with:.2} | {middle:.3} ({low:.3} to {high:.3}) |");
    }
    let counted = registry.gather().iter().any(|family| family.name() == "session_loads_total");
    assert!(counted, "what was to be measured was measured");
}

/// In front of what shares the sessions, if anything is.
type Build = fn(Option<&Meter>) -> Arc<dyn Store>;

fn embedded(meter: Option<&Meter>) -> Arc<dyn Store> {
    observed(Arc::new(MemoryStore::new()), "memory", meter)
}

fn layered(meter: Option<&Meter>) -> Arc<dyn Store> {
    let shared = embedded(meter);
    let mut builder = Layered::builder_shared(shared);
    if let Some(meter) = meter {
        builder = builder.meter(meter.clone());
    }
    observed(Arc::new(builder.build().expect("a store")), "layered", meter)
}

fn observed(store: Arc<dyn Store>, kind: &'static str, meter: Option<&Meter>) -> Arc<dyn Store> {
    match meter {
        Some(meter) => Arc::new(Observed::shared(store, kind, meter)),
        None => store,
    }
}

impl Pair {
    async fn new(name: &'static str, path: &'static str, build: Build, meter: &Meter) -> Self {
        let without = Served::start(build(None), None).await;
        let with = Served::start(build(Some(meter)), Some(meter)).await;
        Self { name, path, without, with }
    }

    /// Neither is always the first.
    async fn measure(&self, with_first: bool) -> (f64, f64) {
        let Self { path, without, with, .. } = self;
        if with_first {
            let cost = with.measure(path).await;
            return (without.measure(path).await, cost);
        }
        (without.measure(path).await, with.measure(path).await)
    }
}

impl Served {
    async fn start(store: Arc<dyn Store>, meter: Option<&Meter>) -> Self {
        let mut builder = Sessions::builder_shared(store);
        if let Some(meter) = meter {
            builder = builder.observer(Arc::new(SessionMetrics::new(meter)));
        }
        let sessions = builder.build().expect("sessions");
        let mut cookies = Vec::new();
        for _ in 0..CONNECTIONS {
            cookies.push(sign_in(&sessions).await);
        }
        let app = routes().layer(SessionLayer::new(sessions));
        Self { address: serve(app).await, cookies }
    }

    async fn measure(&self, path: &str) -> f64 {
        measure(self.address, path, &self.cookies).await
    }
}

fn routes() -> Router {
    let read = async |session: Session| {
        session.get::<u64>("counter").ok().flatten().unwrap_or(0).to_string()
    };
    let increment = async |session: Session| {
        session.update("counter", |n| n.unwrap_or(0_u64) + 1).unwrap_or(0).to_string()
    };
    Router::new()
        .route("/bare", get(async || "0"))
        .route("/read", get(read))
        .route("/increment", get(increment))
}

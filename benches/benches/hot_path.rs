//! The pieces of a request that uses its session, and whole requests beside the same router
//! without sessions.
//!
//! Compare within one run: `cargo bench -p benches`.

use std::cell::RefCell;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use divan::Bencher;
use http::Request;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use session_axum::{Session, SessionLayer};
use session_core::{
    Clock as _, Key, KeyRing, Load, Namespace, OsEntropy, SessionCookie, Sessions, Store as _,
    SystemClock, Token,
};
use session_layered::Layered;
use session_layered::observe::Observed;
use session_memory::MemoryStore;
use session_testkit::sample;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

fn main() {
    divan::main();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

#[divan::bench(sample_size = 256)]
fn token_parse(bencher: Bencher<'_, '_>) {
    let text = Token::random(&OsEntropy).expect("randomness").to_text();
    bencher.bench(|| Token::parse(divan::black_box(text.as_bytes())));
}

#[divan::bench(sample_size = 256)]
fn token_parse_and_digest(bencher: Bencher<'_, '_>) {
    let namespace = Namespace::parse("__Host-session").expect("a name");
    let text = Token::random(&OsEntropy).expect("randomness").to_text();
    bencher.bench(|| {
        let token = Token::parse(divan::black_box(text.as_bytes()))?;
        Some(Key::of(&token, &namespace))
    });
}

/// A session of about 300 bytes in an embedded store, and the cookie that opens it.
struct Live {
    store: MemoryStore,
    sessions: Sessions,
    cookie: String,
}

fn live(runtime: &Runtime, cookie: SessionCookie) -> Live {
    let store = MemoryStore::new();
    let sessions = Sessions::builder(store.clone()).cookie(cookie).build().expect("sessions");
    let cookie = runtime.block_on(async {
        let lazy = sessions.open([]);
        let session = lazy.load().await.expect("no store is asked");
        session.insert("name", &"Ada Lovelace").expect("a value");
        session.insert("cart", &(1..40).collect::<Vec<u32>>()).expect("a value");
        session.insert("theme", &"dark".repeat(20)).expect("a value");
        session.insert("counter", &0_u64).expect("a value");
        let header = lazy.finish(false).await.header.expect("a cookie");
        header.split("; ").next().expect("a pair").to_owned()
    });
    Live { store, sessions, cookie }
}

#[divan::bench(sample_size = 256)]
fn memory_load(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    let live = live(&runtime, SessionCookie::default());
    let token = live.cookie.split_once('=').and_then(|(_, text)| Token::parse(text.as_bytes()));
    let key = Key::of(&token.expect("a token"), live.sessions.namespace());
    bencher.bench_local(|| runtime.block_on(live.store.load(&key, Load::default())));
}

/// The same behind what measures it, with spans switched off.
#[divan::bench(sample_size = 256)]
fn observed_memory_load(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    let live = live(&runtime, SessionCookie::default());
    let token = live.cookie.split_once('=').and_then(|(_, text)| Token::parse(text.as_bytes()));
    let key = Key::of(&token.expect("a token"), live.sessions.namespace());
    let exporter = opentelemetry_prometheus::exporter().with_registry(prometheus::Registry::new());
    let exporter = exporter.build().expect("a reader");
    let provider = SdkMeterProvider::builder().with_reader(exporter).build();
    let store = Observed::new(live.store, "memory", &provider.meter("bench"));
    bencher.bench_local(|| runtime.block_on(store.load(&key, Load::default())));
}

/// From the cache; the tasks that keep its lease run beside it.
#[divan::bench(sample_size = 256)]
fn layered_load(bencher: Bencher<'_, '_>) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
    let (key, store) = runtime.block_on(async {
        let store = Layered::builder(MemoryStore::new()).build().expect("a store");
        while store.stats().lease_left.is_zero() {
            tokio::task::yield_now().await;
        }
        let (key, record) = (sample::key(), sample::record(SystemClock.now()));
        store.create(&key, &record).await.expect("a session");
        (key, store)
    });
    let before = store.stats();
    bencher.bench_local(|| runtime.block_on(store.load(&key, Load::default())));
    let after = store.stats();
    assert_eq!(after.misses, before.misses, "every load was answered from the cache");
}

#[divan::bench(sample_size = 256)]
fn open_and_find_nothing(bencher: Bencher<'_, '_>) {
    let live = live(&runtime(), SessionCookie::default());
    let header = "theme=dark; lang=en; consent=all".as_bytes();
    bencher.bench(|| live.sessions.open([divan::black_box(header)]));
}

#[divan::bench(sample_size = 256)]
fn open_and_find_the_cookie(bencher: Bencher<'_, '_>) {
    let live = live(&runtime(), SessionCookie::default());
    let header = format!("theme=dark; {}; lang=en", live.cookie);
    bencher.bench(|| live.sessions.open([divan::black_box(header.as_bytes())]));
}

/// Whole requests through a router, without a socket.
mod request {
    use super::*;

    fn routes() -> Router {
        Router::new()
            .route("/untouched", get(async || "ok"))
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
            .route(
                "/create",
                get(async |session: Session| {
                    session.insert("name", &"Ada").map_or("failed", |()| "ok")
                }),
            )
    }

    fn call(bencher: Bencher<'_, '_>, app: Router, path: &str, cookie: Option<&str>) {
        let runtime = runtime();
        let app = RefCell::new(app.into_service::<Body>());
        let request = || {
            let request = Request::get(path);
            let request = match cookie {
                Some(cookie) => request.header("cookie", cookie),
                None => request,
            };
            request.body(Body::empty()).expect("a request")
        };
        let answer = runtime.block_on(app.borrow().clone().oneshot(request())).expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        bencher
            .with_inputs(request)
            .bench_local_values(|request| runtime.block_on(app.borrow().clone().oneshot(request)));
    }

    /// What the layer wraps: the floor that the others are compared with.
    #[divan::bench(sample_size = 256)]
    fn floor(bencher: Bencher<'_, '_>) {
        call(bencher, routes(), "/untouched", Some("theme=dark"));
    }

    fn with_sessions(bencher: Bencher<'_, '_>, path: &str, cookie: SessionCookie) {
        let live = live(&runtime(), cookie);
        let app = routes().layer(SessionLayer::new(live.sessions.clone()));
        call(bencher, app, path, Some(&live.cookie));
    }

    #[divan::bench(sample_size = 256)]
    fn untouched(bencher: Bencher<'_, '_>) {
        with_sessions(bencher, "/untouched", SessionCookie::default());
    }

    #[divan::bench(sample_size = 256)]
    fn read(bencher: Bencher<'_, '_>) {
        with_sessions(bencher, "/read", SessionCookie::default());
    }

    #[divan::bench(sample_size = 256)]
    fn read_signed(bencher: Bencher<'_, '_>) {
        let keys = KeyRing::new([vec![7; 32]]).expect("a key");
        with_sessions(bencher, "/read", SessionCookie::default().signed(keys));
    }

    #[divan::bench(sample_size = 256)]
    fn increment(bencher: Bencher<'_, '_>) {
        with_sessions(bencher, "/increment", SessionCookie::default());
    }

    #[divan::bench(sample_size = 64)]
    fn create(bencher: Bencher<'_, '_>) {
        let store = MemoryStore::builder().max_sessions(100_000_000).max_bytes(8 << 30);
        let store = store.build().expect("a store");
        let sessions = Sessions::builder_shared(Arc::new(store)).build().expect("sessions");
        call(bencher, routes().layer(SessionLayer::new(sessions)), "/create", None);
    }
}

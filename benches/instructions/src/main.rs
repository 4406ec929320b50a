//! Whole requests through a router, without sockets, for `cargo xtask instructions`.
//!
//! `instructions <scenario> <requests>` answers so many of them, one after the other, in one
//! thread. What a request costs is the difference between two runs over the difference in
//! requests: what is done once, building the sessions and warming up, falls out.
//!
//! Without arguments it lists the scenarios. The first is the floor: the same router without
//! sessions, and the same request.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use session_axum::{Session, SessionLayer};
use session_core::{Entropy, Error, Sessions, Store, Token};
use session_layered::Layered;
use session_memory::MemoryStore;
use tower::ServiceExt as _;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        SCENARIOS.iter().for_each(|scenario| println!("{}", scenario.name));
        return ExitCode::SUCCESS;
    };
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name);
    let requests = arguments.next().and_then(|number| number.parse().ok());
    let (Some(scenario), Some(requests)) = (scenario, requests) else {
        eprintln!("usage: instructions <scenario> <requests>");
        return ExitCode::from(2);
    };
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().expect("a runtime");
    runtime.block_on(scenario.run(requests));
    ExitCode::SUCCESS
}

struct Scenario {
    name: &'static str,
    path: &'static str,
    store: Kept,
}

/// Where the sessions are.
enum Kept {
    Nowhere,
    InMemory,
    /// In the cache of a layered store, in front of one in memory.
    InCache,
}

#[rustfmt::skip]
const SCENARIOS: [Scenario; 8] = [
    Scenario { name: "floor", path: "/untouched", store: Kept::Nowhere },
    Scenario { name: "untouched", path: "/untouched", store: Kept::InMemory },
    Scenario { name: "read", path: "/read", store: Kept::InMemory },
    Scenario { name: "read_layered", path: "/read", store: Kept::InCache },
    Scenario { name: "increment", path: "/increment", store: Kept::InMemory },
    Scenario { name: "increment_layered", path: "/increment", store: Kept::InCache },
    Scenario { name: "create", path: "/create", store: Kept::InMemory },
    Scenario { name: "create_layered", path: "/create", store: Kept::InCache },
];

/// Before anything is counted: memory is allocated, and the session is where it will be found.
const WARM_UP: usize = 200;

impl Scenario {
    async fn run(&self, requests: usize) {
        let Some(store) = self.store.open().await else {
            // As long as that of a session.
            let cookie = format!("__Host-session={}", "A".repeat(Token::TEXT_LEN));
            return self.answer(routes(), Some(&cookie), requests).await;
        };
        let sessions = Sessions::builder_shared(store).entropy(Arc::new(Sequence::default()));
        let sessions = sessions.build().expect("sessions");
        let cookie = match self.path {
            "/create" => None,
            _ => Some(sign_in(&sessions).await),
        };
        let app = routes().layer(SessionLayer::new(sessions));
        self.answer(app, cookie.as_deref(), requests).await;
    }

    async fn answer(&self, app: Router, cookie: Option<&str>, requests: usize) {
        let app = app.into_service::<Body>();
        for _ in 0..WARM_UP + requests {
            let mut request = Request::get(self.path);
            if let Some(cookie) = cookie {
                request = request.header("cookie", cookie);
            }
            let request = request.body(Body::empty()).expect("a request");
            let response = app.clone().oneshot(request).await.expect("an answer");
            assert!(response.status().is_success(), "{}: {}", self.name, response.status());
            if let Kept::InCache = self.store {
                // Whoever listens to announcements has its turn.
                tokio::task::yield_now().await;
            }
        }
    }
}

impl Kept {
    async fn open(&self) -> Option<Arc<dyn Store>> {
        match self {
            Self::Nowhere => None,
            Self::InMemory => Some(Arc::new(MemoryStore::new())),
            Self::InCache => {
                // So that echoes come too seldom to be counted.
                let bound = Duration::from_secs(60);
                let store = Layered::builder(MemoryStore::new()).max_staleness(bound);
                let store = store.build().expect("a store");
                while store.stats().lease_left.is_zero() {
                    tokio::task::yield_now().await;
                }
                Some(Arc::new(store))
            }
        }
    }
}

/// A session of about 300 bytes, and the cookie that opens it.
async fn sign_in(sessions: &Sessions) -> String {
    let lazy = sessions.open([]);
    let session = lazy.load().await.expect("no store is asked");
    session.insert("name", &"Ada Lovelace").expect("a value");
    session.insert("cart", &(1..40).collect::<Vec<u32>>()).expect("a value");
    session.insert("theme", &"dark".repeat(20)).expect("a value");
    session.insert("counter", &1_000_000_u64).expect("a value");
    let header = lazy.finish(false).await.header.expect("a cookie");
    header.split("; ").next().expect("a pair").to_owned()
}

fn routes() -> Router {
    let read = async |session: Session| {
        session.get::<u64>("counter").ok().flatten().expect("a session").to_string()
    };
    let increment = async |session: Session| {
        let counted = session.update("counter", |count| count.unwrap_or(0_u64) + 1);
        counted.expect("a count").to_string()
    };
    let create = async |session: Session| {
        session.insert("name", &"Ada").expect("a value");
        "ok"
    };
    Router::new()
        .route("/untouched", get(async || "ok"))
        .route("/read", get(read))
        .route("/increment", get(increment))
        .route("/create", get(create))
}

/// Tokens that are the same in each run, so that as many meet in a bucket of a map.
#[derive(Debug, Default)]
struct Sequence(AtomicU64);

impl Entropy for Sequence {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Error> {
        for chunk in bytes.chunks_mut(8) {
            // Weyl's sequence, mixed as in SplitMix64.
            let step = 0x9e37_79b9_7f4a_7c15;
            let drawn = self.0.fetch_add(step, Ordering::Relaxed);
            let mixed = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&mixed.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

//! The conformance suite against a store on a server.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::{Clock as _, OsEntropy, Store, SystemClock, Timestamp, Token};

use crate::harness::Harness;

/// The harness of a store whose sessions are on a server, where time is real.
///
/// It draws a random namespace, and has every handle made anew: [`reopen`](Harness::reopen) is
/// another one on the same namespace, with connections of its own.
///
/// ```no_run
/// # use std::sync::Arc;
/// # mod map_store { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/map_store.rs")); }
/// # fn redis_store(_url: &str, _namespace: &str) -> Arc<dyn session_core::Store> {
/// #     Arc::new(map_store::MapStore::new(session_testkit::ManualClock::default()))
/// # }
/// use session_testkit::Harness;
/// use session_testkit::servers::{Redis, ServerHarness};
///
/// async fn harness() -> impl Harness {
///     let redis = Arc::new(Redis::start().await);
///     let url = redis.url();
///     let counted = Arc::clone(&redis);
///     ServerHarness::new(move |namespace| redis_store(&url, namespace))
///         .with_occupied(move |namespace| {
///             let redis = Arc::clone(&counted);
///             async move {
///                 let pattern = format!("{namespace}:*");
///                 redis.query::<Vec<String>>(&["KEYS", &pattern]).await.unwrap().len()
///             }
///         })
///         .with_guard(redis)
/// }
///
/// session_testkit::store_tests!(harness);
/// ```
pub struct ServerHarness {
    namespace: String,
    /// Dropped before the guard: a store may still say goodbye to its server.
    store: Arc<dyn Store>,
    open: Box<Open>,
    occupied: Option<Box<Occupied>>,
    tick: Duration,
    guards: Vec<Box<dyn Any + Send + Sync>>,
}

type Open = dyn Fn(&str) -> Arc<dyn Store> + Send + Sync;

type Occupied = dyn Fn(String) -> Pin<Box<dyn Future<Output = usize> + Send>> + Send + Sync;

impl ServerHarness {
    /// A harness with a random namespace: 20 characters that [`Namespace`] takes.
    ///
    /// `open` is given the namespace and makes a handle that shares nothing with those before.
    ///
    /// [`Namespace`]: session_core::Namespace
    ///
    /// # Panics
    ///
    /// If the operating system gives no random bytes.
    pub fn new(open: impl Fn(&str) -> Arc<dyn Store> + Send + Sync + 'static) -> Self {
        let token = Token::random(&OsEntropy).expect("random bytes for a namespace").to_text();
        let namespace = token[..20].to_owned();
        let store = open(&namespace);
        let tick = Duration::from_millis(100);
        Self { namespace, store, open: Box::new(open), occupied: None, tick, guards: Vec::new() }
    }

    /// How the sessions of the namespace are counted, dead ones included; see
    /// [`Harness::occupied`].
    ///
    /// # Default
    ///
    /// They are not.
    #[must_use]
    pub fn with_occupied<F, N>(mut self, occupied: F) -> Self
    where
        F: Fn(String) -> N + Send + Sync + 'static,
        N: Future<Output = usize> + Send + 'static,
    {
        self.occupied = Some(Box::new(move |namespace| Box::pin(occupied(namespace))));
        self
    }

    /// The unit of time of the clauses; see [`Harness::tick`].
    ///
    /// # Default
    ///
    /// 100 ms.
    #[must_use]
    pub fn with_tick(mut self, tick: Duration) -> Self {
        self.tick = tick;
        self
    }

    /// Keeps something until the harness is dropped, such as the server. May be called again.
    #[must_use]
    pub fn with_guard(mut self, guard: impl Any + Send + Sync) -> Self {
        self.guards.push(Box::new(guard));
        self
    }

    /// The namespace that was drawn.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}

#[async_trait]
impl Harness for ServerHarness {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn advance(&self, by: Duration) {
        let until = self.now().plus(by);
        while self.now() < until {
            tokio::time::sleep(until.since(self.now())).await;
        }
    }

    fn tick(&self) -> Duration {
        self.tick
    }

    async fn reopen(&self) -> Option<Arc<dyn Store>> {
        Some((self.open)(&self.namespace))
    }

    async fn occupied(&self) -> Option<usize> {
        match &self.occupied {
            Some(occupied) => Some(occupied(self.namespace.clone()).await),
            None => None,
        }
    }
}

impl fmt::Debug for ServerHarness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, store, open: _, occupied: _, tick, guards: _ } = self;
        f.debug_struct("ServerHarness")
            .field("namespace", namespace)
            .field("store", store)
            .field("tick", tick)
            .finish_non_exhaustive()
    }
}

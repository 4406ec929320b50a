//! What the suite has to know of a store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::{Clock as _, Store, Timestamp};

use crate::clock::ManualClock;

/// A store under test, and the means to let time pass for it.
///
/// Each clause gets a harness of its own, on which nothing else happens. [`InProcess`] is one for
/// a store that is given a clock. For a server, write your own:
///
/// - Draw a **random namespace** for each harness (a key prefix, a schema, a file in a temporary
///   directory), and never flush or truncate anything: somebody else may be using that server.
/// - Where time is real, choose a short [`tick`](Harness::tick).
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use async_trait::async_trait;
/// use session_core::{Clock, Store, SystemClock, Timestamp};
/// use session_testkit::Harness;
///
/// struct Server {
///     namespace: String,
///     store: Arc<dyn Store>,
///     connect: fn(namespace: &str) -> Arc<dyn Store>,
/// }
///
/// #[async_trait]
/// impl Harness for Server {
///     fn store(&self) -> Arc<dyn Store> {
///         Arc::clone(&self.store)
///     }
///
///     fn now(&self) -> Timestamp {
///         SystemClock.now()
///     }
///
///     async fn advance(&self, by: Duration) {
///         let until = self.now().plus(by);
///         while self.now() < until {
///             tokio::time::sleep(until.since(self.now())).await;
///         }
///     }
///
///     fn tick(&self) -> Duration {
///         Duration::from_millis(100)
///     }
///
///     async fn reopen(&self) -> Option<Arc<dyn Store>> {
///         Some((self.connect)(&self.namespace))
///     }
/// }
/// ```
#[async_trait]
pub trait Harness: Send + Sync {
    /// The store: always the same handle, or another one on the same sessions.
    fn store(&self) -> Arc<dyn Store>;

    /// The time by which the store judges deadlines.
    fn now(&self) -> Timestamp;

    /// Returns once [`now`](Harness::now) is later by `by` or more: at once with a manual clock,
    /// after that time where it is real.
    async fn advance(&self, by: Duration);

    /// The unit of time of the clauses: the shortest deadlines are five ticks away, and two dozen
    /// calls of the store must be done by then.
    ///
    /// # Default
    ///
    /// One second, which costs nothing with a manual clock. With a local server, 100 ms do.
    fn tick(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// The same sessions through a handle that shares nothing in this process with the others:
    /// what another process would have, or this one after a restart.
    ///
    /// A store that claims [`shared`](session_core::Qualities::shared) is used through both
    /// handles at once. If it is only [`durable`](session_core::Qualities::durable), close the
    /// old handle here; the suite does not use it any more.
    ///
    /// # Default
    ///
    /// `None`, with which a store that claims one of these qualities fails.
    async fn reopen(&self) -> Option<Arc<dyn Store>> {
        None
    }

    /// How many sessions take up room, dead or alive, in this harness' namespace.
    ///
    /// # Default
    ///
    /// `None`, with which a store that claims
    /// [`native_expiry`](session_core::Qualities::native_expiry) fails.
    async fn occupied(&self) -> Option<usize> {
        None
    }

    /// Removes what was made for this harness, such as a schema. Called after a clause has
    /// passed; after one that has failed, what is there may tell why.
    ///
    /// # Default
    ///
    /// Nothing.
    async fn close(&self) {}
}

/// The harness of a store in this process, whose time is a [`ManualClock`].
pub struct InProcess {
    store: Arc<dyn Store>,
    clock: ManualClock,
}

impl InProcess {
    /// Tests `store`, which was given (a clone of) `clock`.
    pub fn new(store: impl Store, clock: ManualClock) -> Self {
        Self { store: Arc::new(store), clock }
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, clock } = self;
        f.debug_struct("InProcess").field("store", store).field("clock", clock).finish()
    }
}

#[async_trait]
impl Harness for InProcess {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

/// Lets time pass until `deadline`, and not a millisecond more if the harness can help it.
pub(crate) async fn advance_to(harness: &dyn Harness, deadline: Timestamp) {
    let left = deadline.since(harness.now());
    if !left.is_zero() {
        harness.advance(left).await;
    }
    let now = harness.now();
    assert!(now >= deadline, "the harness did not let {left:?} pass: {now:?} < {deadline:?}");
}

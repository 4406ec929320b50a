//! A store that fails, loses replies and hangs when it is told to.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use session_core::{
    Backplane, Created, Error, ErrorKind, Key, Load, Loaded, Page, Qualities, Record, Replaced,
    Revision, Store, Subject, SubjectIndex, Touch, Touched,
};
use tokio::sync::Semaphore;

use crate::method::Method;

/// Passes every call on to another store, but for the faults it was told to make.
///
/// Faults that were ordered for one call of a method ([`fail_next`](Self::fail_next),
/// [`lose_reply`](Self::lose_reply), [`hold_call`](Self::hold_call),
/// [`hold_reply`](Self::hold_reply)) come in the order in which they were given, one for each
/// call; [`fail`](Self::fail) is for all calls that no such order is left for.
///
/// ```
/// # async fn example(
/// #     store: std::sync::Arc<dyn session_core::Store>,
/// # ) {
/// use session_core::{ErrorKind, Store};
/// use session_testkit::{FaultyStore, Method, sample};
///
/// let store = FaultyStore::new(store);
/// store.lose_reply(Method::Delete, ErrorKind::Timeout);
/// let error = store.delete(&sample::key()).await.unwrap_err();
/// assert!(error.is_outcome_unknown(), "the session has been deleted, but who knows?");
/// # }
/// ```
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    faults: Mutex<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    once: HashMap<Method, VecDeque<Fault>>,
    always: HashMap<Method, Fault>,
}

#[derive(Clone, Debug)]
struct Fault {
    side: Side,
    trouble: Trouble,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// Before the store is called.
    Call,
    /// After it has answered.
    Reply,
}

#[derive(Clone, Debug)]
enum Trouble {
    Error(ErrorKind),
    Gate(Arc<Passage>),
}

impl FaultyStore {
    /// Disturbs `inner`, at first not at all.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, faults: Mutex::default() }
    }

    /// The next call of `method` fails without reaching the store.
    pub fn fail_next(&self, method: Method, kind: ErrorKind) {
        self.once(method, Side::Call, Trouble::Error(kind));
    }

    /// The next call of `method` reaches the store, and if it is a write it lands; the answer is
    /// an error all the same.
    pub fn lose_reply(&self, method: Method, kind: ErrorKind) {
        self.once(method, Side::Reply, Trouble::Error(kind));
    }

    /// The next call of `method` waits at the gate before it reaches the store.
    pub fn hold_call(&self, method: Method) -> Gate {
        self.hold(method, Side::Call)
    }

    /// The next call of `method` reaches the store and waits at the gate with the answer.
    pub fn hold_reply(&self, method: Method) -> Gate {
        self.hold(method, Side::Reply)
    }

    /// Every call of these methods fails without reaching the store, until it is
    /// [healed](Self::heal).
    pub fn fail(&self, methods: &[Method], kind: ErrorKind) {
        let mut faults = self.faults();
        for method in methods {
            let fault = Fault { side: Side::Call, trouble: Trouble::Error(kind) };
            faults.always.insert(*method, fault);
        }
    }

    /// Takes back every fault that was ordered and has not happened yet. Calls that wait at a
    /// gate go on waiting.
    pub fn heal(&self) {
        *self.faults() = Faults::default();
    }

    fn hold(&self, method: Method, side: Side) -> Gate {
        let passage = Arc::new(Passage::closed());
        self.once(method, side, Trouble::Gate(Arc::clone(&passage)));
        Gate(passage)
    }

    fn once(&self, method: Method, side: Side, trouble: Trouble) {
        self.faults().once.entry(method).or_default().push_back(Fault { side, trouble });
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_fault(&self, method: Method) -> Option<Fault> {
        let mut faults = self.faults();
        let once = faults.once.get_mut(&method).and_then(VecDeque::pop_front);
        once.or_else(|| faults.always.get(&method).cloned())
    }

    /// Makes a call, with the fault that it is the turn of.
    async fn disturb<T: Send>(
        &self,
        method: Method,
        call: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        match self.next_fault(method) {
            None => call.await,
            Some(Fault { side: Side::Call, trouble }) => {
                trouble.strike(method).await?;
                call.await
            }
            Some(Fault { side: Side::Reply, trouble }) => {
                let answer = call.await;
                trouble.strike(method).await?;
                answer
            }
        }
    }
}

impl Trouble {
    async fn strike(self, method: Method) -> Result<(), Error> {
        match self {
            Self::Error(kind) => {
                Err(Error::new(kind, "a fault ordered by the test").during(method.as_str()))
            }
            Self::Gate(passage) => {
                passage.pass().await;
                Ok(())
            }
        }
    }
}

/// Where a call waits until it is let through. Dropping the gate opens it.
#[must_use = "a gate that is dropped is open"]
pub struct Gate(Arc<Passage>);

impl Gate {
    /// Returns once a call has come to the gate.
    pub async fn reached(&self) {
        // Never closed, so this is a permit, which goes back for whoever asks again.
        let _ = self.0.arrived.acquire().await;
    }

    /// Lets the call through.
    pub fn open(self) {}
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.0.opened.close();
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reached = self.0.arrived.available_permits() > 0;
        f.debug_struct("Gate").field("reached", &reached).finish()
    }
}

/// Two one-way signals.
#[derive(Debug)]
struct Passage {
    /// Has a permit once the call is there.
    arrived: Semaphore,
    /// Is closed once the call may pass.
    opened: Semaphore,
}

impl Passage {
    fn closed() -> Self {
        Self { arrived: Semaphore::new(0), opened: Semaphore::new(0) }
    }

    async fn pass(&self) {
        self.arrived.add_permits(1);
        // There never is a permit: the wait ends when the semaphore is closed.
        let _ = self.opened.acquire().await;
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for FaultyStore {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        self.disturb(Method::Load, self.inner.load(key, load)).await
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        self.disturb(Method::Create, self.inner.create(key, record)).await
    }

    async fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.disturb(Method::Replace, self.inner.replace(key, record, expected)).await
    }

    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.disturb(Method::Rotate, self.inner.rotate(from, to, record, expected)).await
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        self.disturb(Method::Touch, self.inner.touch(touches)).await
    }

    async fn delete(&self, key: &Key) -> Result<bool, Error> {
        self.disturb(Method::Delete, self.inner.delete(key)).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, Error> {
        self.disturb(Method::PurgeExpired, self.inner.purge_expired(limit)).await
    }

    async fn fence(&self) -> Result<(), Error> {
        self.disturb(Method::Fence, self.inner.fence()).await
    }

    async fn flush(&self) -> Result<(), Error> {
        self.disturb(Method::Flush, self.inner.flush()).await
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        self.inner.subjects().map(|_| self as &dyn SubjectIndex)
    }

    fn backplane(&self) -> Option<Arc<dyn Backplane>> {
        self.inner.backplane()
    }

    fn qualities(&self) -> Qualities {
        self.inner.qualities()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl SubjectIndex for FaultyStore {
    async fn list(
        &self,
        subject: &Subject,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Page, Error> {
        // Nobody is given this index unless there is one behind it.
        match self.inner.subjects() {
            Some(index) => self.disturb(Method::List, index.list(subject, after, limit)).await,
            None => Ok(Page::default()),
        }
    }
}

//! A store that counts its calls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use session_core::{
    Backplane, Created, Error, Key, Load, Loaded, Page, Qualities, Record, Replaced, Revision,
    Store, Subject, SubjectIndex, Touch, Touched,
};

use crate::method::Method;

/// Passes every call on to another store and counts it, whether or not it succeeds.
///
/// ```
/// # async fn example(
/// #     store: std::sync::Arc<dyn session_core::Store>,
/// # ) -> Result<(), session_core::Error> {
/// use session_core::{Load, Store};
/// use session_testkit::{CountingStore, Counts, sample};
///
/// let store = CountingStore::new(store);
/// let before = store.counts();
/// store.load(&sample::key(), Load::default()).await?;
/// assert_eq!(store.counts().since(before), Counts { load: 1, ..Counts::default() });
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct CountingStore {
    inner: Arc<dyn Store>,
    counts: [AtomicU64; Method::ALL.len()],
    last_load: Mutex<Option<Load>>,
}

/// How often each method was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of [`Store::load`].
    pub load: u64,
    /// Calls of [`Store::create`].
    pub create: u64,
    /// Calls of [`Store::replace`].
    pub replace: u64,
    /// Calls of [`Store::rotate`].
    pub rotate: u64,
    /// Calls of [`Store::touch`]: batches, not keys.
    pub touch: u64,
    /// Calls of [`Store::delete`].
    pub delete: u64,
    /// Calls of [`Store::purge_expired`].
    pub purge_expired: u64,
    /// Calls of [`Store::fence`].
    pub fence: u64,
    /// Calls of [`Store::flush`].
    pub flush: u64,
    /// Calls of [`SubjectIndex::list`]: pages.
    pub list: u64,
}

impl CountingStore {
    /// Counts the calls of `inner` that come this way.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, counts: Default::default(), last_load: Mutex::default() }
    }

    /// The calls so far.
    pub fn counts(&self) -> Counts {
        let count = |method| self.counts[method as usize].load(Ordering::SeqCst);
        Counts {
            load: count(Method::Load),
            create: count(Method::Create),
            replace: count(Method::Replace),
            rotate: count(Method::Rotate),
            touch: count(Method::Touch),
            delete: count(Method::Delete),
            purge_expired: count(Method::PurgeExpired),
            fence: count(Method::Fence),
            flush: count(Method::Flush),
            list: count(Method::List),
        }
    }

    /// What the last call of [`Store::load`] asked for.
    pub fn last_load(&self) -> Option<Load> {
        *self.last_load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, method: Method) {
        self.counts[method as usize].fetch_add(1, Ordering::SeqCst);
    }
}

impl Counts {
    /// The calls since `before`.
    ///
    /// # Panics
    ///
    /// If `before` was not before.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        let less = |now: u64, then: u64| now.checked_sub(then).expect("counts of an earlier time");
        Self {
            load: less(self.load, before.load),
            create: less(self.create, before.create),
            replace: less(self.replace, before.replace),
            rotate: less(self.rotate, before.rotate),
            touch: less(self.touch, before.touch),
            delete: less(self.delete, before.delete),
            purge_expired: less(self.purge_expired, before.purge_expired),
            fence: less(self.fence, before.fence),
            flush: less(self.flush, before.flush),
            list: less(self.list, before.list),
        }
    }

    /// All calls together.
    pub fn total(self) -> u64 {
        let Self {
            load,
            create,
            replace,
            rotate,
            touch,
            delete,
            purge_expired,
            fence,
            flush,
            list,
        } = self;
        let writes = create + replace + rotate + touch + delete + purge_expired;
        load + list + writes + fence + flush
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for CountingStore {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        self.count(Method::Load);
        *self.last_load.lock().unwrap_or_else(PoisonError::into_inner) = Some(load);
        self.inner.load(key, load).await
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        self.count(Method::Create);
        self.inner.create(key, record).await
    }

    async fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.count(Method::Replace);
        self.inner.replace(key, record, expected).await
    }

    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.count(Method::Rotate);
        self.inner.rotate(from, to, record, expected).await
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        self.count(Method::Touch);
        self.inner.touch(touches).await
    }

    async fn delete(&self, key: &Key) -> Result<bool, Error> {
        self.count(Method::Delete);
        self.inner.delete(key).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, Error> {
        self.count(Method::PurgeExpired);
        self.inner.purge_expired(limit).await
    }

    async fn fence(&self) -> Result<(), Error> {
        self.count(Method::Fence);
        self.inner.fence().await
    }

    async fn flush(&self) -> Result<(), Error> {
        self.count(Method::Flush);
        self.inner.flush().await
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
impl SubjectIndex for CountingStore {
    async fn list(
        &self,
        subject: &Subject,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Page, Error> {
        self.count(Method::List);
        // Nobody is given this index unless there is one behind it.
        match self.inner.subjects() {
            Some(index) => index.list(subject, after, limit).await,
            None => Ok(Page::default()),
        }
    }
}

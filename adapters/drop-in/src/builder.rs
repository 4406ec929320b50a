//! Settings, and what cannot be right.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use session_core::codec::Limits;
use session_core::{Clock, Entropy, Error, Namespace, OsEntropy, Store, SystemClock, Timeouts};

use crate::drop_in::DropIn;

/// Sets up a store `S` for another session library.
#[must_use = "nothing happens before `build`"]
pub struct DropInBuilder<S> {
    store: Arc<dyn Store>,
    namespace: String,
    absolute_timeout: Duration,
    limits: Limits,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    built: PhantomData<fn() -> S>,
}

impl<S: From<DropIn>> DropInBuilder<S> {
    /// Keeps sessions in `store`, in a namespace that is the library's name unless it is set.
    pub fn new(store: Arc<dyn Store>, library: &str) -> Self {
        Self {
            store,
            namespace: library.to_owned(),
            absolute_timeout: Timeouts::MAX,
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            built: PhantomData,
        }
    }

    /// The name that keeps these sessions apart from all others in the store.
    ///
    /// # Default
    ///
    /// The name of the library. Two applications that share a store need names of their own.
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = name.into();
        self
    }

    /// When a session ends however busy it is, counted from its creation (OWASP ASVS 5.0, 7.3.2).
    /// A session that is given a new id is a new one.
    ///
    /// # Default
    ///
    /// [`Timeouts::MAX`], ten years: in effect what the library says, which knows no such timeout.
    pub fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.absolute_timeout = timeout;
        self
    }

    /// How much a session may hold. More is refused, and the stored session is left as it was.
    ///
    /// # Default
    ///
    /// [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What tells the time.
    ///
    /// # Default
    ///
    /// [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where the random bytes of [new ids](DropIn::new_id) come from.
    ///
    /// # Default
    ///
    /// [`OsEntropy`].
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// The store.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](session_core::ErrorKind::Misconfigured), with the field, its
    /// value and the reason, for a namespace or a timeout that is none.
    pub fn build(self) -> Result<S, Error> {
        let namespace = Namespace::parse(&self.namespace)?;
        // The shortest idle timeout, so that whatever is wrong is the other one.
        let timeouts = Timeouts::new(Duration::from_millis(1), self.absolute_timeout)?;
        Ok(S::from(DropIn {
            store: self.store,
            namespace,
            absolute_timeout: timeouts.absolute(),
            limits: self.limits,
            clock: self.clock,
            entropy: self.entropy,
        }))
    }
}

impl<S> fmt::Debug for DropInBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, namespace, absolute_timeout, limits, .. } = self;
        f.debug_struct("DropInBuilder")
            .field("store", store)
            .field("namespace", namespace)
            .field("absolute_timeout", absolute_timeout)
            .field("limits", limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use session_memory::MemoryStore;

    use super::*;

    #[test]
    fn what_cannot_be_right_is_named() {
        let builder =
            || DropInBuilder::<DropIn>::new(Arc::new(MemoryStore::new()), "their-library");
        assert!(builder().build().is_ok());
        for (wrong, field) in [
            (builder().namespace("a b"), "namespace"),
            (builder().absolute_timeout(Duration::ZERO), "absolute_timeout"),
            (builder().absolute_timeout(Duration::MAX), "absolute_timeout"),
        ] {
            let error = wrong.build().unwrap_err();
            assert_eq!(error.context("field"), Some(field), "{error}");
        }
    }
}

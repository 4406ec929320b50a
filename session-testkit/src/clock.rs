//! A clock that stands still until it is told to move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use session_core::{Clock, Timestamp};

/// A clock that a test moves by hand. Clones show the same time.
///
/// ```
/// use std::time::Duration;
/// use session_core::Clock;
/// use session_testkit::ManualClock;
///
/// let clock = ManualClock::default();
/// let shown_to_the_store = clock.clone();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(shown_to_the_store.now().since(before), Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.as_millis())))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let later = |now| Some(Timestamp::from_millis(now).plus(by).as_millis());
        // The closure never refuses, so there is no error to handle.
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, later);
    }

    /// Sets the clock, back as well as forward.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }
}

/// Some time in 2026, not on a whole second.
impl Default for ManualClock {
    fn default() -> Self {
        Self::new(Timestamp::from_millis(1_780_000_000_123))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

//! Waiting for something to become true.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// How long to keep asking.
pub(crate) struct Patience {
    until: Instant,
    limit: Duration,
}

impl Patience {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { until: Instant::now() + limit, limit }
    }

    /// Pauses before the next look.
    ///
    /// # Panics
    ///
    /// Once the time is up.
    pub(crate) async fn wait_for(&self, what: impl Display + Send) {
        assert!(Instant::now() < self.until, "waited {:?} for {what}", self.limit);
        tokio::time::sleep(PAUSE).await;
    }
}

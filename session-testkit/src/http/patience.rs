//! Waiting for something to become true, and for tasks to end.

use std::fmt::Display;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// How long to keep asking.
pub(super) struct Patience {
    until: Instant,
    limit: Duration,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self { until: Instant::now() + limit, limit }
    }

    /// Pauses before the next look.
    ///
    /// # Panics
    ///
    /// Once the time is up.
    pub(super) async fn wait_for(&self, what: impl Display + Send) {
        assert!(Instant::now() < self.until, "waited {:?} for {what}", self.limit);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Runs all tasks at once and returns what they did, in no particular order. The first that
/// panics ends the others.
pub(super) async fn all<T, F>(tasks: impl IntoIterator<Item = F> + Send) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut running: JoinSet<T> = tasks.into_iter().collect();
    let mut done = Vec::with_capacity(running.len());
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(value) => done.push(value),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => panic!("a task did not end by itself: {error}"),
            },
        }
    }
    done
}

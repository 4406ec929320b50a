//! Waiting for something to become true, and how long it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

/// Looks again and again until it is so, and tells how long that took.
///
/// # Panics
///
/// If it is not within `limit`.
pub(crate) async fn until(
    what: &str,
    limit: Duration,
    mut is_so: impl AsyncFnMut() -> bool,
) -> Duration {
    let watch = Stopwatch::start();
    while !is_so().await {
        assert!(watch.elapsed() < limit, "waited {limit:?} for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    watch.elapsed()
}

/// Lets a fault go on for a while.
pub(crate) async fn for_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Measures the time in which this process was served: a machine that does something else for a
/// second is no call that takes a second.
pub(crate) struct Stopwatch {
    micros: Arc<AtomicU64>,
    ticking: AbortHandle,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        let micros = Arc::new(AtomicU64::new(0));
        let passed = Arc::clone(&micros);
        let ticking = tokio::spawn(async move {
            loop {
                let start = Instant::now();
                tokio::time::sleep(TICK).await;
                let served = start.elapsed().min(3 * TICK);
                passed.fetch_add(served.as_micros() as u64, Ordering::Relaxed);
            }
        });
        Self { micros, ticking: ticking.abort_handle() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}

const TICK: Duration = Duration::from_millis(5);

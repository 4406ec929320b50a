//! How long something takes on a machine that has other things to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

const TICK: Duration = Duration::from_millis(5);

/// Measures the time in which the runtime of a test was served: a machine that does something else
/// for a second is no call that takes a second.
///
/// It is behind by some milliseconds. What a server is kept from by other processes it cannot tell.
#[derive(Debug)]
pub struct Stopwatch {
    micros: Arc<AtomicU64>,
    ticking: AbortHandle,
}

impl Stopwatch {
    /// Starts from zero.
    ///
    /// # Panics
    ///
    /// Outside a runtime of tokio.
    #[must_use]
    pub fn start() -> Self {
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

    /// The time that has passed so far.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_in_which_the_runtime_stands_still_is_not_counted() {
        let watch = Stopwatch::start();
        let begun = Instant::now();
        while watch.elapsed() < Duration::from_millis(50) {
            tokio::time::sleep(TICK).await;
        }
        assert!(begun.elapsed() >= Duration::from_millis(50), "it is never ahead");
        let before = watch.elapsed();
        let blocked = Instant::now();
        while blocked.elapsed() < Duration::from_millis(300) {
            std::hint::spin_loop();
        }
        tokio::time::sleep(TICK).await;
        assert!(watch.elapsed() - before < Duration::from_millis(150), "{:?}", watch.elapsed());
    }
}

//! How long something takes on a machine that has other things to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

/// Measures the time in which the runtime of a test was served: a machine that does something else
/// for a second is no call that takes a second.
///
/// For upper bounds: it is some milliseconds behind, and does not count the time for which code of
/// the test, or what it tests, blocks the runtime. What keeps a server waiting it cannot tell.
///
/// ```
/// # #[tokio::main]
/// # async fn main() {
/// use std::time::Duration;
///
/// use session_testkit::servers::Stopwatch;
///
/// let watch = Stopwatch::start();
/// tokio::task::yield_now().await;
/// assert!(watch.elapsed() < Duration::from_millis(500));
/// # }
/// ```
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
                let served = start.elapsed().min(MOST);
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

/// Looks again and again until it is so, and tells how long that took, by the clock on the wall.
///
/// # Panics
///
/// If it is not within `limit`, of the time in which the test was served.
pub async fn until(what: &str, limit: Duration, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let (start, watch) = (Instant::now(), Stopwatch::start());
    loop {
        let is_so = is_so().await;
        assert!(watch.elapsed() < limit, "waited {limit:?} for {what}");
        if is_so {
            return start.elapsed();
        }
        tokio::time::sleep(TICK).await;
    }
}

const TICK: Duration = Duration::from_millis(5);
/// What counts of a tick that was late: some lateness is usual on a machine that serves the test.
const MOST: Duration = TICK.saturating_mul(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_in_which_the_runtime_stands_still_is_not_counted() {
        let watch = Stopwatch::start();
        let begun = Instant::now();
        until("it to go on", Duration::from_secs(10), async || {
            watch.elapsed() >= Duration::from_millis(50)
        })
        .await;
        assert!(begun.elapsed() >= Duration::from_millis(50), "it is never ahead");
        let before = watch.elapsed();
        let blocked = Instant::now();
        while blocked.elapsed() < Duration::from_millis(300) {
            std::hint::spin_loop();
        }
        tokio::time::sleep(TICK).await;
        assert!(watch.elapsed() - before < Duration::from_millis(150), "{:?}", watch.elapsed());
    }

    #[tokio::test]
    #[should_panic(expected = "for it to be soon")]
    async fn what_becomes_true_too_late_is_noticed() {
        let limit = Duration::from_millis(20);
        until("it to be soon", limit, async || {
            let watch = Stopwatch::start();
            while watch.elapsed() < 2 * limit {
                tokio::time::sleep(TICK).await;
            }
            true
        })
        .await;
    }
}

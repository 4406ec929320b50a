//! Waiting for something to become true, and how long it takes.

use std::time::{Duration, Instant};

use session_testkit::servers::Stopwatch;

/// Looks again and again until it is so, and tells how long that took, by the clock on the wall.
///
/// # Panics
///
/// If it is not within `limit`, of the time in which the test was served.
pub(crate) async fn until(
    what: &str,
    limit: Duration,
    mut is_so: impl AsyncFnMut() -> bool,
) -> Duration {
    let (start, watch) = (Instant::now(), Stopwatch::start());
    loop {
        let is_so = is_so().await;
        assert!(watch.elapsed() < limit, "waited {limit:?} for {what}");
        if is_so {
            return start.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Lets a fault go on for a while.
pub(crate) async fn for_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

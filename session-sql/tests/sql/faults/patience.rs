//! Waiting for something to become true.

use std::time::{Duration, Instant};

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
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < limit, "waited {limit:?} for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}

/// Lets a fault go on for a while.
pub(crate) async fn for_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

//! Waiting for something to become true.

use tokio::time::{Duration, Instant, interval};

/// Much longer than anything takes that works.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Asks until it is so, and returns how long that took.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    let mut ticks = interval(Duration::from_millis(10));
    while !is_so().await {
        assert!(begun.elapsed() < DEADLINE, "waited {DEADLINE:?} until {what}");
        ticks.tick().await;
    }
    begun.elapsed()
}

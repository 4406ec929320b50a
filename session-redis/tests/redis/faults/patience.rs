//! Waiting for something to become true.

use std::time::Duration;

pub(super) use session_testkit::servers::until;

/// Lets the load, or a fault, go on for a while.
pub(super) async fn for_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

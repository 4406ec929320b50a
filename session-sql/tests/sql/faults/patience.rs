//! Waiting: for something to become true, or for a while.

use std::time::Duration;

pub(crate) use session_testkit::servers::until;

/// Lets a fault go on for a while.
pub(crate) async fn for_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

//! Waiting for something to become true.

use tokio::time::Duration;

use crate::client::Client;
use crate::process::DEADLINE;

pub(crate) async fn until(what: &str, is_so: impl AsyncFnMut() -> bool) {
    until_within(DEADLINE, what, is_so).await;
}

/// Returns how long it took, by the clock on the wall.
///
/// # Panics
///
/// If it is not so within `limit`, of the time in which the test was served.
pub(crate) async fn until_within(
    limit: Duration,
    what: &str,
    is_so: impl AsyncFnMut() -> bool,
) -> Duration {
    session_testkit::servers::until(what, limit, is_so).await
}

/// Waits until so many sessions have been read, and so until a slow request has got its own.
pub(crate) async fn until_loaded(client: &mut Client, sessions: usize) {
    let operation = r#"session_operation="load",session_outcome="found"}"#;
    let loaded = format!("{operation} {sessions}");
    until("a session is loaded", async || {
        let metrics = client.get("/metrics").await.expect(200).text();
        metrics.lines().any(|line| line.ends_with(&loaded))
    })
    .await;
}

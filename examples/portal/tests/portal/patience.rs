//! Waiting for something to become true.

use session_testkit::servers::Stopwatch;
use tokio::time::{Duration, interval};

use crate::client::Client;
use crate::process::DEADLINE;

pub(crate) async fn until(what: &str, is_so: impl AsyncFnMut() -> bool) {
    until_within(DEADLINE, what, is_so).await;
}

/// Returns how long it took.
pub(crate) async fn until_within(
    limit: Duration,
    what: &str,
    mut is_so: impl AsyncFnMut() -> bool,
) -> Duration {
    let watch = Stopwatch::start();
    let mut ticks = interval(Duration::from_millis(10));
    while !is_so().await {
        assert!(watch.elapsed() < limit, "waited {limit:?} until {what}");
        ticks.tick().await;
    }
    watch.elapsed()
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

//! Waiting for something to become true.

use tokio::time::{Duration, Instant, interval};

use crate::client::Client;
use crate::process::DEADLINE;

pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    let mut ticks = interval(Duration::from_millis(10));
    while !is_so().await {
        assert!(Instant::now() < deadline, "waited {DEADLINE:?} until {what}");
        ticks.tick().await;
    }
}

/// Waits until so many sessions have been read, and so until a slow request has got its own.
pub(crate) async fn until_loaded(client: &mut Client, sessions: usize) {
    let loaded = format!(r#"count{{operation="load",outcome="found"}} {sessions}"#);
    until("a session is loaded", async || {
        let metrics = client.get("/metrics").await.expect(200).text();
        metrics.lines().any(|line| line.ends_with(&loaded))
    })
    .await;
}

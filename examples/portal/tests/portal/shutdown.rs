//! How the portal ends.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::frameworks::Framework;
use crate::patience::{until, until_loaded};
use crate::process::{DEADLINE, Portal};

pub(crate) async fn requests_under_way_are_finished(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.signed_in("u1001").await;
    let mut slow = client.clone();
    let writing =
        tokio::spawn(async move { slow.post_json("/api/slow?name=slow&ms=3000", &json!(1)).await });
    until_loaded(&mut client, 1).await;
    portal.signal("TERM").await;
    until_closed(&portal).await;
    assert!(!writing.is_finished(), "the request was not slow enough");
    writing.await.expect("no panic").expect(204);
    assert_eq!(portal.ended().await.code(), Some(0));
}

pub(crate) async fn idle_connections_do_not_keep_it(on: Framework) {
    for signal in ["TERM", "INT"] {
        let portal = Portal::start_on(on).await;
        let mut silent = TcpStream::connect(portal.address()).await.expect("a connection");
        // This one has been used, and is kept alive.
        let mut client = portal.client();
        client.get("/healthz").await.expect(200);
        portal.signal(signal).await;
        let read = tokio::time::timeout(DEADLINE, silent.read(&mut [0; 16])).await;
        assert!(matches!(read, Ok(Ok(0) | Err(_))), "an unused connection is closed: {read:?}");
        assert_eq!(portal.ended().await.code(), Some(0), "after {signal}");
    }
}

/// Of a client that has begun to say what it wants, and may never end.
pub(crate) async fn half_a_request_does_not_keep_it(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut halting = TcpStream::connect(portal.address()).await.expect("a connection");
    halting.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n").await.expect("half a request");
    // Whoever answers later has read that.
    portal.client().get("/healthz").await.expect(200);
    assert_eq!(portal.stopped().await.0.code(), Some(0));
}

pub(crate) async fn a_second_signal_ends_it_at_once(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut client = portal.signed_in("u1001").await;
    let mut slow = client.clone();
    let writing =
        tokio::spawn(
            async move { slow.post_json("/api/slow?name=slow&ms=60000", &json!(1)).await },
        );
    until_loaded(&mut client, 1).await;
    let begun = Instant::now();
    portal.signal("TERM").await;
    until_closed(&portal).await;
    portal.signal("TERM").await;
    assert_eq!(portal.ended().await.code(), Some(1));
    assert!(begun.elapsed() < DEADLINE);
    writing.abort();
}

/// Waits until new connections are refused.
async fn until_closed(portal: &Portal) {
    until("the portal stops listening", async || {
        TcpStream::connect(portal.address()).await.is_err()
    })
    .await;
}

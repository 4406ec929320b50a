//! A server that is not there yet.

use std::time::Instant;

use session_core::{Clock as _, ErrorKind, Load, Store as _, SystemClock};
use session_redis::{RedisStore, Topology};
use session_testkit::proxy::{Direction, Fault, Proxy};
use session_testkit::sample;
use session_testkit::servers::{Redis, Stopwatch};

use super::patience::{for_ms, ms, until};
use super::{DEADLINE, RECOVERY, SLACK, open};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_later_is_found() {
    let redis = Redis::start().await;
    redis.kill();
    let store = open(Topology::single(&redis.url()));
    let start = Instant::now();
    while start.elapsed() < ms(1_500) {
        let call = Stopwatch::start();
        let error = store.load(&sample::key(), Load::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(call.elapsed() < SLACK, "refused after {:?}", call.elapsed());
        for_ms(5).await;
    }
    redis.restart().await;
    let found = works(&store).await;
    println!("F14: first write {found:?} after the server was ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_at_first_is_found() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.address()).await;
    proxy.set(Fault::Blackhole(Direction::Both)).await;
    let store = open(Topology::single(&format!("redis://{}", proxy.address())));
    let start = Instant::now();
    let mut calls = 0;
    while start.elapsed() < ms(2_500) {
        let call = Stopwatch::start();
        let error = store.load(&sample::key(), Load::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        let limit = if calls == 0 { DEADLINE + SLACK } else { SLACK };
        assert!(call.elapsed() < limit, "call {calls} failed after {:?}", call.elapsed());
        calls += 1;
        for_ms(5).await;
    }
    println!("F14: {calls} calls, {} connections in {:?}", proxy.accepted(), start.elapsed());
    assert!(proxy.accepted() <= 10, "{} connections", proxy.accepted());
    proxy.heal().await;
    let found = works(&store).await;
    println!("F14: first write {found:?} after the silence");
}

async fn works(store: &RedisStore) -> std::time::Duration {
    until("a session to be created", RECOVERY, async || {
        store.create(&sample::key(), &sample::record(SystemClock.now())).await.is_ok()
    })
    .await
}

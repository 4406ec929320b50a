//! A server that is killed and starts again.

use std::time::Instant;

use session_redis::Topology;
use session_testkit::servers::Redis;

use super::history::acknowledged_writes;
use super::patience::{for_ms, ms};
use super::workload::Workload;
use super::{DEADLINE, RECOVERY, SLACK, open};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing_that_was_acknowledged() {
    let redis = Redis::builder().config("appendonly", "yes").config("appendfsync", "always");
    let redis = redis.start().await;
    let stores = [open(Topology::single(&redis.url())), open(Topology::single(&redis.url()))];
    let load = Workload::start(&[&stores[0], &stores[1]]).await;
    for outage in [0, 300, 1_500] {
        for_ms(400).await;
        redis.kill();
        for_ms(outage).await;
        redis.restart().await;
        let ready = Instant::now();
        let recovered = load.writes_again(ready).await;
        println!("F11: first write {recovered:?} after the server was ready ({outage} ms down)");
        assert!(recovered <= RECOVERY);
    }
    for_ms(750).await;
    load.history().assert_no_failures(Instant::now() - ms(250));
    load.history().assert_typed_and_within(DEADLINE + SLACK);
    let events = load.finish_clean().await;
    println!("F11: 0 of {} acknowledged writes lost", acknowledged_writes(&events));
}

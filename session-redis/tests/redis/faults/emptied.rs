//! A server that forgets: its data, its scripts, what it has no room for.

use std::time::Instant;

use session_core::{
    Clock as _, Load, Loaded, Payload, Record, Replaced, Revision, Store as _, SystemClock, Touch,
    Touched,
};
use session_redis::Topology;
use session_testkit::sample;
use session_testkit::servers::Redis;

use super::open_patient;
use super::patience::for_ms;
use super::workload::Workload;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_flushed_is_absent_and_no_error() {
    let redis = Redis::start().await;
    let store = open_patient(Topology::single(&redis.url()));
    let (key, record) = (sample::key(), sample::record(SystemClock.now()));
    store.create(&key, &record).await.unwrap();
    let load = Workload::start(&[&store]).await;
    let start = Instant::now();
    for _ in 0..5 {
        for_ms(100).await;
        redis.command(&["FLUSHALL"]).await;
    }
    let one = Revision::new(1);
    for load in [Load::default(), Load::default().known(one)] {
        assert!(matches!(store.load(&key, load).await, Ok(Loaded::Absent)));
    }
    assert!(matches!(store.replace(&key, &record, one).await, Ok(Replaced::Gone)));
    let touch = Touch { key, idle_deadline: record.idle_deadline };
    assert_eq!(store.touch(&[touch]).await.unwrap(), [Touched::Gone]);
    assert!(!store.delete(&key).await.unwrap());
    for_ms(100).await;
    load.history().assert_no_failures(start);
    let (events, violations) = load.finish().await;
    println!("F19: {} calls without an error; {} losses seen", events.len(), violations.len());
    assert!(!violations.is_empty(), "the checker does not see what was flushed");
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_are_flushed_are_sent_again() {
    let redis = Redis::start().await;
    let store = open_patient(Topology::single(&redis.url()));
    let load = Workload::start(&[&store]).await;
    let start = Instant::now();
    for _ in 0..100 {
        redis.command(&["SCRIPT", "FLUSH"]).await;
        for_ms(10).await;
    }
    load.history().assert_no_failures(start);
    let events = load.finish_clean().await;
    println!("F19: {} calls while scripts were flushed 100 times", events.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_evicted_is_absent_and_no_error() {
    let redis = Redis::start().await;
    let store = open_patient(Topology::single(&redis.url()));
    let used: u64 = redis.info("memory").await["used_memory"].parse().unwrap();
    let limit = (used + (2 << 20)).to_string();
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", &limit]).await;
    let (now, subject) = (SystemClock.now(), sample::subject());
    let mut keys = Vec::new();
    for _ in 0..3_000 {
        let (key, payload) = (sample::key(), Payload::new(vec![b'x'; 2_000]));
        let record = Record { payload, subject: Some(subject.clone()), ..sample::record(now) };
        store.create(&key, &record).await.unwrap();
        keys.push(key);
    }
    let (mut found, mut absent) = (0, 0);
    for key in &keys {
        match store.load(key, Load::default()).await.unwrap() {
            Loaded::Absent => absent += 1,
            _ => found += 1,
        }
    }
    println!("F19: {absent} sessions evicted, {found} left");
    assert!(found > 0 && absent > 0);
    let page = store.subjects().unwrap().list(&subject, None, 10_000).await.unwrap();
    println!("F19: {} of them still listed under their subject", page.sessions.len());
    assert!(page.sessions.len() <= found);
}

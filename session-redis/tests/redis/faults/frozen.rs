//! A server that hangs: its connections stay open, and nobody answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use session_core::{Load, Store as _};
use session_redis::{RedisStore, Topology};
use session_testkit::sample;
use session_testkit::servers::Redis;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::patience::{for_ms, ms};
use super::workload::Workload;
use super::{DEADLINE, RECOVERY, SLACK, open};

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_costs_a_deadline_once_and_then_nothing() {
    let redis = Redis::start().await;
    let store = open(Topology::single(&redis.url()));
    let load = Workload::start(&[&store]).await;
    let rush = Rush::start(&store);
    for_ms(500).await;

    redis.pause();
    let frozen = Instant::now();
    for_ms(1_500).await;
    let (refusing, in_progress) = (Instant::now(), rush.in_progress());
    for_ms(3_500).await;
    let (last, resumed) = (rush.in_progress(), Instant::now());
    redis.resume();
    let recovered = load.writes_again(resumed).await;
    for_ms(500).await;

    let [half, most, all] = load.history().latency(refusing, resumed);
    println!("F12: from 1.5 s on, calls failed within {half:?}, {most:?}, {all:?}");
    println!("F12: {in_progress} calls in progress after 1.5 s, {last} after 5 s");
    println!("F12: at most {} of one call each 2 ms", rush.most());
    println!("F12: first write {recovered:?} after the server went on");
    assert!(half < ms(50), "half of the calls failed within {half:?}");
    assert!(last <= 50, "{last} calls in progress");
    // What a deadline's time brings is 250; a busy machine may be late.
    assert!(rush.most() <= 400, "{} calls in progress", rush.most());
    assert!(recovered <= RECOVERY);
    load.history().assert_typed_and_within(DEADLINE + SLACK);
    let hung = load.history().latency(frozen, refusing)[2];
    println!("F12: the longest call took {hung:?}");
    load.history().assert_no_failures(Instant::now() - ms(250));
    load.finish_clean().await;
}

/// Calls that begin every 2 ms at most, whatever becomes of those before.
struct Rush {
    in_progress: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    _calls: JoinSet<()>,
}

impl Rush {
    fn start(store: &RedisStore) -> Self {
        let (in_progress, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (store, count, high) = (store.clone(), Arc::clone(&in_progress), Arc::clone(&most));
        let mut calls = JoinSet::new();
        calls.spawn(async move {
            let mut calls = JoinSet::new();
            let mut ticks = tokio::time::interval(Duration::from_millis(2));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let (store, count) = (store.clone(), Arc::clone(&count));
                high.fetch_max(count.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                calls.spawn(async move {
                    let _ = store.load(&sample::key(), Load::default()).await;
                    count.fetch_sub(1, Ordering::Relaxed);
                });
                while calls.try_join_next().is_some() {}
            }
        });
        Self { in_progress, most, _calls: calls }
    }

    fn in_progress(&self) -> usize {
        self.in_progress.load(Ordering::Relaxed)
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }
}

//! Replies that are cut, delayed, lost, or that nobody waits for any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use session_core::{
    Clock as _, Created, Error, Key, Load, Loaded, Payload, Record, Store as _, SystemClock,
};
use session_redis::{RedisStore, Topology};
use session_testkit::proxy::{Direction, Fault, Proxy};
use session_testkit::sample;
use session_testkit::servers::{Redis, Stopwatch};
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

use super::patience::{for_ms, ms, until};
use super::workload::Workload;
use super::{DEADLINE, RECOVERY, SLACK, open, open_patient};

/// A server behind a proxy, and sessions on it that nobody changes.
struct Fixture {
    redis: Redis,
    proxy: Proxy,
    store: RedisStore,
    sessions: Arc<Vec<(Key, Payload)>>,
}

impl Fixture {
    async fn start() -> Self {
        let redis = Redis::start().await;
        let proxy = Proxy::start(redis.address()).await;
        let store = open_through(&proxy);
        let mut sessions = Vec::new();
        for number in 0..64 {
            let key = sample::key();
            // Of very different lengths, so that a reply out of place is one out of step.
            let payload = Payload::new(format!("{key} {}", "x".repeat(number * number)));
            let record = Record { payload: payload.clone(), ..sample::record(SystemClock.now()) };
            let created = store.create(&key, &record).await.unwrap();
            assert!(matches!(created, Created::Created(_)));
            sessions.push((key, payload));
        }
        Self { redis, proxy, store, sessions: Arc::new(sessions) }
    }

    fn open(&self) -> RedisStore {
        open_through(&self.proxy)
    }

    /// How many of some concurrent loads succeeded, each of which must have returned its own
    /// session, and in time.
    async fn load_some(&self, count: usize) -> usize {
        let mut loads = JoinSet::new();
        for _ in 0..count {
            let (store, sessions) = (self.store.clone(), Arc::clone(&self.sessions));
            loads.spawn(async move {
                let (key, payload) = &sessions[fastrand::usize(..sessions.len())];
                let start = Stopwatch::start();
                let loaded = store.load(key, Load::default()).await;
                assert!(start.elapsed() <= DEADLINE + SLACK, "{:?}", start.elapsed());
                loaded.is_ok_and(|loaded| is_own(&loaded, payload))
            });
        }
        loads.join_all().await.into_iter().filter(|succeeded| *succeeded).count()
    }

    /// Waits until all is well again.
    async fn recover(&self) -> Duration {
        until("loads that succeed", RECOVERY, async || self.load_some(1).await == 1).await
    }
}

fn open_through(proxy: &Proxy) -> RedisStore {
    open(topology(proxy))
}

fn topology(proxy: &Proxy) -> Result<Topology, Error> {
    Topology::single(&format!("redis://{}", proxy.address()))
}

/// # Panics
///
/// If it is the answer to somebody else.
fn is_own(loaded: &Loaded, payload: &Payload) -> bool {
    let Loaded::Found { record, .. } = loaded else { panic!("a session is gone: {loaded:?}") };
    assert!(record.payload == *payload, "a reply to another call");
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_cut_is_no_reply() {
    let mut fixture = Fixture::start().await;
    let (mut succeeded, mut all) = (0, 0);
    for bytes in (0..64).chain((64..8_192).step_by(97)) {
        // A connection that has not been cut before.
        fixture.store = fixture.open();
        fixture.load_some(1).await;
        fixture.proxy.set(Fault::CutAfter(bytes)).await;
        succeeded += fixture.load_some(8).await;
        all += 8;
        fixture.proxy.heal().await;
        fixture.recover().await;
    }
    println!("F18: {succeeded} of {all} loads succeeded before they were cut");
    assert!(succeeded > 0 && succeeded < all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_drips_is_one_reply_or_none() {
    let fixture = Fixture::start().await;
    fixture.proxy.set(Fault::Drip(Duration::ZERO)).await;
    let dripping = fixture.load_some(16).await;
    fixture.proxy.set(Fault::Drip(ms(1))).await;
    let slow = fixture.load_some(64).await;
    fixture.proxy.heal().await;
    println!("F18: {dripping} of 16 loads came byte by byte, {slow} of 64 at 1 ms a byte");
    println!("F18: well again after {:?}", fixture.recover().await);
    assert!(dripping > 0);
    assert_eq!(fixture.load_some(64).await, 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_within_the_deadline_is_only_a_delay() {
    let fixture = Fixture::start().await;
    fixture.proxy.set(Fault::Delay(ms(50))).await;
    assert_eq!(fixture.load_some(64).await, 64);
    fixture.proxy.set(Fault::Delay(ms(700))).await;
    assert_eq!(fixture.load_some(64).await, 0);
    for_ms(800).await;
    fixture.load_some(16).await;
    fixture.proxy.heal().await;
    println!("F18: well again {:?} after a delay", fixture.recover().await);
    assert_eq!(fixture.load_some(64).await, 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_in_either_direction_is_a_timeout_and_passes() {
    let fixture = Fixture::start().await;
    for direction in [Direction::ToServer, Direction::ToClient, Direction::Both] {
        fixture.proxy.set(Fault::Blackhole(direction)).await;
        assert_eq!(fixture.load_some(16).await, 0);
        for_ms(1_000).await;
        assert_eq!(fixture.load_some(16).await, 0);
        // What was held back arrives now, and is nobody's any more.
        fixture.proxy.heal().await;
        println!("F18: well again {:?} after silence {direction:?}", fixture.recover().await);
        assert_eq!(fixture.load_some(64).await, 64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn resets_under_load_lose_nothing_that_was_acknowledged() {
    let Fixture { redis: _redis, proxy, store, sessions: _ } = Fixture::start().await;
    let load = Workload::start(&[&store]).await;
    for round in 0..8 {
        let bytes = fastrand::u64(..2_000);
        proxy.set(if round % 2 == 0 { Fault::Reset } else { Fault::CutAfter(bytes) }).await;
        for_ms(100).await;
        proxy.heal().await;
        let healed = Instant::now();
        let recovered = load.writes_again(healed).await;
        assert!(recovered <= RECOVERY);
        for_ms(fastrand::u64(..400)).await;
    }
    load.history().assert_typed_and_within(DEADLINE + SLACK);
    load.finish_clean().await;
}

/// Drops a call at a random moment: after some microseconds, or after it was polled some times.
async fn impatient<T>(call: impl Future<Output = T>) -> Option<T> {
    if fastrand::bool() {
        return timeout(Duration::from_micros(fastrand::u64(..8_000)), call).await.ok();
    }
    let polled = async {
        for _ in 0..fastrand::u8(1..8) {
            yield_now().await;
        }
    };
    tokio::select! {
        biased;
        answer = call => Some(answer),
        () = polled => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_cancelled_loads_confuse_no_other() {
    let mut fixture = Fixture::start().await;
    // What a busy machine keeps waiting is no failure.
    fixture.store = open_patient(topology(&fixture.proxy));
    let (start, connected) = (Instant::now(), fixture.proxy.accepted());
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let (store, sessions) = (fixture.store.clone(), Arc::clone(&fixture.sessions));
        tasks.spawn(async move {
            let (mut cancelled, mut answered) = (0, 0);
            while cancelled < 200 {
                let (key, payload) = &sessions[fastrand::usize(..sessions.len())];
                match impatient(store.load(key, Load::default())).await {
                    Some(loaded) => answered += usize::from(is_own(&loaded.unwrap(), payload)),
                    None => cancelled += 1,
                }
            }
            (cancelled, answered)
        });
    }
    let counts = tasks.join_all().await;
    let cancelled: usize = counts.iter().map(|(cancelled, _)| cancelled).sum();
    let answered: usize = counts.iter().map(|(_, answered)| answered).sum();
    println!("F18: {cancelled} loads cancelled, {answered} answered in {:?}", start.elapsed());
    assert!(cancelled >= 10_000 && answered > 0);
    // All on the one connection, which nobody has given up.
    assert_eq!(fixture.proxy.accepted(), connected + 1);
    assert_eq!(fixture.load_some(64).await, 64);
}

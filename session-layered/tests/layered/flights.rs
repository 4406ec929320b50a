//! Reads that share one answer of the shared store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use session_core::{Source, Store};
use session_memory::MemoryStore;
use session_testkit::{CountingStore, FaultyStore, Method, sample};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::fixture::{
    D, create, eventually, held_load, node, read, record, replaced, short_leased,
};

struct Behind {
    shared: MemoryStore,
    faulty: Arc<FaultyStore>,
    counting: Arc<CountingStore>,
}

impl Behind {
    fn new() -> Self {
        let shared = MemoryStore::new();
        let faulty = Arc::new(FaultyStore::new(Arc::new(shared.clone())));
        let counting = Arc::new(CountingStore::new(Arc::clone(&faulty) as Arc<dyn Store>));
        Self { shared, faulty, counting }
    }

    fn loads(&self) -> u64 {
        self.counting.counts().load
    }
}

/// F23, and the goal: one load, of however many.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_cold_reads_of_one_session_are_one_load() {
    const READS: usize = 100_000;
    let behind = Behind::new();
    // With a bound of a minute, so that they can all begin: nobody joins a flight that began longer ago.
    let node = node(Arc::clone(&behind.counting) as Arc<dyn Store>).await;
    let key = sample::key();
    let revision = create(&behind.shared, &key, &record()).await;
    // Who comes after it joins no flight of before.
    eventually("the announcement", async || node.stats().unneeded == 1).await;
    let gate = behind.faulty.hold_call(Method::Load);
    let mut reads = JoinSet::new();
    for _ in 0..READS {
        let node = node.clone();
        reads.spawn(async move { read(&node, &key).await });
    }
    gate.reached().await;
    eventually("all wait", async || node.stats().joined as usize == READS - 1).await;
    gate.open();
    let answers = reads.join_all().await;
    assert!(answers.iter().all(|answer| *answer == Some((revision, Source::Shared))));
    assert_eq!(behind.loads(), 1);
}

/// Who has not found a session in the cache may come to the flight when it has just landed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_comes_too_late_for_a_flight_finds_what_it_brought() {
    const SESSIONS: u64 = 2_000;
    const READS: usize = 20;
    let behind = Behind::new();
    let node = node(Arc::clone(&behind.counting) as Arc<dyn Store>).await;
    for created in 1..=SESSIONS {
        let key = sample::key();
        let revision = create(&behind.shared, &key, &record()).await;
        // What is read before it is heard is not kept.
        eventually("the announcement", async || node.stats().unneeded == created).await;
        let mut reads = JoinSet::new();
        for _ in 0..READS {
            let node = node.clone();
            reads.spawn(async move { read(&node, &key).await.unwrap().0 });
        }
        assert!(reads.join_all().await.iter().all(|read| *read == revision));
    }
    assert_eq!(behind.loads(), SESSIONS);
}

#[tokio::test]
async fn whoever_gives_up_leaves_the_flight_to_the_others() {
    let behind = Behind::new();
    let node = node(Arc::clone(&behind.counting) as Arc<dyn Store>).await;
    let key = sample::key();
    let revision = create(&behind.shared, &key, &record()).await;
    let gate = behind.faulty.hold_call(Method::Load);
    let read_it = || {
        let node = node.clone();
        tokio::spawn(async move { read(&node, &key).await })
    };
    let leader = read_it();
    gate.reached().await;
    let followers = [read_it(), read_it(), read_it()];
    eventually("they wait", async || node.stats().joined == 3).await;
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    followers[1].abort();
    gate.open();
    let [first, _, third] = followers;
    for follower in [first, third] {
        assert_eq!(follower.await.unwrap(), Some((revision, Source::Shared)));
    }
    assert_eq!(behind.loads(), 1);

    // Nobody is left to drive it: the next one loads for itself.
    let key = sample::key();
    let gate = behind.faulty.hold_call(Method::Load);
    let alone = tokio::spawn({
        let node = node.clone();
        async move { read(&node, &key).await }
    });
    gate.reached().await;
    alone.abort();
    assert!(alone.await.unwrap_err().is_cancelled());
    assert_eq!(read(&node, &key).await, None);
    assert_eq!(behind.loads(), 3);
    drop(gate);
}

#[tokio::test]
async fn who_asks_after_a_change_does_not_join_who_asked_before() {
    let behind = Behind::new();
    let node = node(Arc::clone(&behind.counting) as Arc<dyn Store>).await;
    let key = sample::key();
    let first = create(&behind.shared, &key, &record()).await;
    let (gate, early) = held_load(&behind.faulty, &node, key).await;
    // Through this node, so that it holds from the acknowledgement on.
    let second = replaced(node.replace(&key, &record(), first).await);
    let late = read(&node, &key).await.unwrap();
    assert_eq!(late.0, second);
    node.delete(&key).await.unwrap();
    assert_eq!(read(&node, &key).await, None);
    gate.open();
    assert_eq!(early.await.unwrap(), Some((first, Source::Shared)));
    assert_eq!(read(&node, &key).await, None, "the early answer was not kept");
}

#[tokio::test]
async fn a_failure_is_everybodys_and_nobody_keeps_it() {
    let behind = Behind::new();
    let node = node(Arc::clone(&behind.counting) as Arc<dyn Store>).await;
    let key = sample::key();
    create(&behind.shared, &key, &record()).await;
    let gate = behind.faulty.hold_call(Method::Load);
    let mut reads = JoinSet::new();
    for _ in 0..3 {
        let node = node.clone();
        reads.spawn(async move { node.load(&key, session_core::Load::default()).await });
    }
    gate.reached().await;
    eventually("they wait", async || node.stats().joined == 2).await;
    behind.shared.delete(&key).await.unwrap();
    gate.open();
    assert!(reads.join_all().await.iter().all(Result::is_ok));
    behind.faulty.fail(&[Method::Load], session_core::ErrorKind::Unavailable);
    let error = node.load(&key, session_core::Load::default()).await.unwrap_err();
    assert_eq!(error.kind(), session_core::ErrorKind::Unavailable);
    behind.faulty.heal();
    assert_eq!(read(&node, &key).await, None);
}

/// Where a lease would have run out, a slow load is not shared either: what it has read may have
/// changed long ago.
#[tokio::test]
async fn nobody_joins_a_flight_that_began_longer_ago_than_the_bound() {
    let behind = Behind::new();
    let node = short_leased(Arc::clone(&behind.counting) as Arc<dyn Store>).await;
    let key = sample::key();
    let revision = create(&behind.shared, &key, &record()).await;
    let (gate, early) = held_load(&behind.faulty, &node, key).await;
    let under_way = Instant::now();
    eventually("it is old", async || under_way.elapsed() > D).await;
    let late = timeout(Duration::from_secs(10), read(&node, &key)).await;
    assert_eq!(late.expect("a flight of its own"), Some((revision, Source::Shared)));
    assert_eq!(behind.loads(), 2);
    gate.open();
    assert_eq!(early.await.unwrap(), Some((revision, Source::Shared)));
}

//! Touches that wait a moment.

use std::sync::Arc;
use std::time::Duration;

use session_core::{
    Clock as _, ErrorKind, Load, Loaded, Record, Source, Store, SystemClock, Timestamp, Touch,
    Touched,
};
use session_layered::Layered;
use session_memory::MemoryStore;
use session_testkit::servers::Redis;
use session_testkit::{CountingStore, FaultyStore, ManualClock, Method, sample};

use crate::fixture::{NAMESPACE, create, eventually, layered, leased, read, redis};

struct Setup {
    clock: ManualClock,
    shared: MemoryStore,
    faulty: Arc<FaultyStore>,
    counting: Arc<CountingStore>,
    node: Layered,
}

async fn setup() -> Setup {
    let clock = ManualClock::default();
    let shared = MemoryStore::builder().clock(Arc::new(clock.clone())).build().unwrap();
    let faulty = Arc::new(FaultyStore::new(Arc::new(shared.clone())));
    let counting = Arc::new(CountingStore::new(Arc::clone(&faulty) as Arc<dyn Store>));
    let builder = layered(Arc::clone(&counting) as Arc<dyn Store>);
    let node = leased(builder.clock(Arc::new(clock.clone()))).await;
    Setup { clock, shared, faulty, counting, node }
}

async fn idle_deadline(store: &dyn Store, key: &session_core::Key) -> Option<Timestamp> {
    match store.load(key, Load::default()).await.unwrap() {
        Loaded::Found { record, .. } => Some(record.idle_deadline),
        _ => None,
    }
}

impl Setup {
    async fn session(&self) -> (session_core::Key, Record) {
        let (key, record) = (sample::key(), sample::record(self.clock.now()));
        create(&self.node, &key, &record).await;
        (key, record)
    }

    async fn touch(&self, key: session_core::Key, idle_deadline: Timestamp) -> Touched {
        self.node.touch(&[Touch { key, idle_deadline }]).await.unwrap()[0]
    }
}

#[tokio::test]
async fn touches_of_cached_sessions_are_sent_together_and_one_for_each() {
    let setup = setup().await;
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(setup.session().await);
    }
    setup.clock.advance(Duration::from_secs(300));
    let until = setup.clock.now().plus(Duration::from_secs(1_800));
    for _ in 0..50 {
        for (key, _) in &sessions {
            assert_eq!(setup.touch(*key, until).await, Touched::Done);
            assert_eq!(idle_deadline(&setup.node, key).await, Some(until), "at once on this node");
        }
    }
    eventually("they are sent", async || setup.node.stats().touches.waiting == 0).await;
    let calls = setup.counting.counts().touch;
    assert!((1..=3).contains(&calls), "{calls} calls for 1,000 touches of 20 sessions");
    assert_eq!(setup.node.stats().touches.sent, 20);
    for (key, _) in &sessions {
        assert_eq!(idle_deadline(&setup.shared, key).await, Some(until));
    }
}

#[tokio::test]
async fn a_flush_sends_them_and_keeps_them_if_it_fails() {
    let setup = setup().await;
    let (key, record) = setup.session().await;
    let until = record.idle_deadline.plus(Duration::from_secs(60));
    setup.faulty.fail(&[Method::Touch], ErrorKind::Unavailable);
    setup.touch(key, until).await;
    setup.node.flush().await.unwrap_err();
    assert_eq!(setup.node.stats().touches.waiting, 1);
    setup.faulty.heal();
    setup.node.flush().await.unwrap();
    assert_eq!(idle_deadline(&setup.shared, &key).await, Some(until));
    assert_eq!(setup.node.stats().touches.waiting, 0);
}

#[tokio::test]
async fn a_flush_does_not_wait_for_what_came_after_it() {
    let setup = setup().await;
    let (first, record) = setup.session().await;
    let (second, _) = setup.session().await;
    let until = record.idle_deadline.plus(Duration::from_secs(60));
    let gate = setup.faulty.hold_reply(Method::Touch);
    setup.touch(first, until).await;
    let node = setup.node.clone();
    let flush = tokio::spawn(async move { node.flush().await });
    gate.reached().await;
    setup.touch(second, until).await;
    setup.faulty.fail(&[Method::Touch], ErrorKind::Unavailable);
    gate.open();
    flush.await.unwrap().unwrap();
    assert_eq!(idle_deadline(&setup.shared, &first).await, Some(until));
}

/// A stored session that is damaged, or that only a newer version can read.
#[tokio::test]
async fn a_session_that_cannot_be_touched_keeps_no_other_from_it() {
    const SESSIONS: u64 = 600;
    let server = Redis::start().await;
    let node = leased(layered(Arc::new(redis(&server).build().unwrap()))).await;
    let record = sample::record(SystemClock.now());
    let mut keys = Vec::new();
    for _ in 0..SESSIONS {
        let key = sample::key();
        create(&node, &key, &record).await;
        keys.push(key);
    }
    let text = keys[0].to_string();
    let (partition, digest) = text.split_once(':').unwrap();
    let name = format!("{NAMESPACE}:{{{partition}}}:{digest}");
    server.command(&["SET", &name, "foreign"]).await;
    let until = record.idle_deadline.plus(Duration::from_secs(60));
    let touches = keys.iter().map(|key| Touch { key: *key, idle_deadline: until });
    for touch in touches {
        assert_eq!(node.touch(&[touch]).await.unwrap(), [Touched::Done], "{:?}", touch.key);
    }
    node.flush().await.unwrap();
    let touches = node.stats().touches;
    assert_eq!((touches.sent, touches.lost, touches.waiting), (SESSIONS - 1, 1, 0));
    let other = redis(&server).build().unwrap();
    assert_eq!(idle_deadline(&other, &keys[1]).await, Some(until));
}

#[tokio::test]
async fn whoever_asks_the_shared_store_waits_for_the_touch() {
    let setup = setup().await;
    let (key, record) = setup.session().await;
    let until = record.idle_deadline.plus(Duration::from_secs(60));
    setup.touch(key, until).await;
    let strong = Load::default().consistency(session_core::Consistency::Strong);
    let Loaded::Found { record: found, .. } = setup.node.load(&key, strong).await.unwrap() else {
        panic!("it is there");
    };
    assert_eq!(found.idle_deadline, until);
    // A write sets the deadlines itself: the touch before it does not come after it.
    let later = until.plus(Duration::from_secs(60));
    setup.touch(key, later).await;
    let shorter = Record { idle_deadline: record.idle_deadline, ..record };
    setup.node.replace(&key, &shorter, found.revision).await.unwrap();
    setup.node.flush().await.unwrap();
    assert_eq!(idle_deadline(&setup.shared, &key).await, Some(shorter.idle_deadline));
    assert_eq!(idle_deadline(&setup.node, &key).await, Some(shorter.idle_deadline));
}

#[tokio::test]
async fn a_touch_that_finds_no_session_empties_the_cache_of_it() {
    let setup = setup().await;
    let (key, record) = setup.session().await;
    let gate = setup.faulty.hold_call(Method::Touch);
    setup.touch(key, record.idle_deadline.plus(Duration::from_secs(60))).await;
    gate.reached().await;
    setup.shared.delete(&key).await.unwrap();
    gate.open();
    eventually("the touch is answered", async || setup.node.stats().touches.gone == 1).await;
    assert_eq!(read(&setup.node, &key).await, None);
}

/// What ends soon is touched at once: an outage may last longer than it lives.
#[tokio::test]
async fn a_session_with_little_life_left_is_touched_at_once() {
    let setup = setup().await;
    let key = sample::key();
    let record = sample::record_living(setup.clock.now(), Duration::from_secs(59));
    create(&setup.node, &key, &record).await;
    let until = record.idle_deadline.plus(Duration::from_secs(60));
    assert_eq!(setup.touch(key, until).await, Touched::Done);
    assert_eq!(idle_deadline(&setup.shared, &key).await, Some(until));
    assert_eq!(idle_deadline(&setup.node, &key).await, Some(until));
    assert_eq!(setup.touch(sample::key(), until).await, Touched::Gone, "not cached: asked");
}

/// A touch that was never sent does not make a session immortal on this node.
#[tokio::test]
async fn a_session_ends_when_the_shared_store_ends_it() {
    let setup = setup().await;
    let (key, record) = setup.session().await;
    setup.faulty.fail(&[Method::Touch], ErrorKind::Unavailable);
    setup.touch(key, record.absolute_deadline).await;
    setup.clock.set(record.idle_deadline);
    assert_eq!(read(&setup.node, &key).await, None);
    eventually("it is given up", async || setup.node.stats().touches.lost == 1).await;
}

/// An entry past its idle deadline is not dead: another node may have touched it.
#[tokio::test]
async fn a_session_that_another_node_has_touched_lives() {
    let setup = setup().await;
    let (key, record) = setup.session().await;
    let until = record.idle_deadline.plus(Duration::from_secs(600));
    setup.shared.touch(&[Touch { key, idle_deadline: until }]).await.unwrap();
    setup.clock.set(record.idle_deadline);
    assert_eq!(idle_deadline(&setup.node, &key).await, Some(until));
    assert_eq!(setup.node.stats().bypassed.due, 1);
}

#[tokio::test]
async fn a_touch_that_was_sent_keeps_the_session_cached() {
    let setup = setup().await;
    let (key, record) = setup.session().await;
    let until = record.idle_deadline.plus(Duration::from_secs(600));
    setup.touch(key, until).await;
    setup.node.flush().await.unwrap();
    let before = setup.counting.counts();
    setup.clock.set(record.idle_deadline);
    assert_eq!(read(&setup.node, &key).await.unwrap().1, Source::Local);
    assert_eq!(setup.counting.counts(), before);
}

/// A touch at once, whose answer comes after something has happened in the stripe.
#[tokio::test]
async fn a_touch_that_was_overtaken_leaves_no_earlier_deadline() {
    let server = Redis::start().await;
    let shared = redis(&server).build().unwrap();
    let faulty = Arc::new(FaultyStore::new(Arc::new(shared)));
    let node = leased(layered(Arc::clone(&faulty) as Arc<dyn Store>)).await;
    let key = sample::key();
    let record = sample::record_living(SystemClock.now(), Duration::from_secs(50));
    let revision = create(&node, &key, &record).await;
    eventually("its announcement", async || node.stats().unneeded == 1).await;
    let idle_deadline = record.idle_deadline.plus(Duration::from_secs(600));
    let gate = faulty.hold_reply(Method::Touch);
    let touch = tokio::spawn({
        let node = node.clone();
        async move { node.touch(&[Touch { key, idle_deadline }]).await.unwrap() }
    });
    gate.reached().await;
    // Announced once more, which evicts nothing.
    let name = [&[1], key.partition().as_bytes().as_slice(), key.digest()].concat();
    let again = [name.as_slice(), &revision.get().to_be_bytes()].concat();
    let mut command = ::redis::cmd("PUBLISH");
    command.arg(format!("{NAMESPACE}:changes")).arg(again);
    command.query_async::<u64>(&mut server.connection().await).await.unwrap();
    eventually("the announcement", async || node.stats().unneeded == 2).await;
    gate.open();
    assert_eq!(touch.await.unwrap(), [Touched::Done]);
    assert_eq!(self::idle_deadline(&node, &key).await, Some(idle_deadline));
}

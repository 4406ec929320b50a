//! What holds on a node for its own changes, before it hears of them: announcements are held back
//! here, echoes are not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use session_core::{
    Backplane, Created, Echoed, Error, Event, Heartbeat, Key, Lane, Load, Loaded, NodeId,
    Qualities, Record, Replaced, Revision, Source, Store, SubjectIndex, Subscription, Touch,
    Touched,
};
use session_layered::Layered;
use session_memory::MemoryStore;
use session_testkit::servers::Redis;
use session_testkit::{FaultyStore, sample};
use tokio::time::timeout;

use crate::fixture::{
    create, eventually, held_load, held_replace, layered, leased, read, read_strong, record, redis,
    replaced,
};

const PATIENCE: Duration = Duration::from_secs(10);

struct Setup {
    shared: Arc<dyn Store>,
    faulty: Arc<FaultyStore>,
    node: Layered,
    /// Whether it is not known who announces changes.
    is_lost: Arc<AtomicBool>,
}

async fn setup(ttl: Duration) -> Setup {
    setup_over(Arc::new(MemoryStore::new()), ttl).await
}

async fn setup_over(shared: Arc<dyn Store>, ttl: Duration) -> Setup {
    let is_lost = Arc::new(AtomicBool::new(false));
    let muffled = Muffled { store: Arc::clone(&shared), is_lost: Arc::clone(&is_lost) };
    let faulty = Arc::new(FaultyStore::new(Arc::new(muffled)));
    let node = leased(layered(Arc::clone(&faulty) as Arc<dyn Store>).ttl(ttl)).await;
    Setup { shared, faulty, node, is_lost }
}

const LONG: Duration = Duration::from_secs(3_600);
/// So short that what was cached does not stand in the way of what should not be.
const SHORT: Duration = Duration::from_millis(1);

#[tokio::test]
async fn of_two_own_writes_the_one_acknowledged_first_may_be_the_later_one() {
    for ttl in [LONG, SHORT] {
        let setup = setup(ttl).await;
        let key = sample::key();
        let first = create(&*setup.shared, &key, &record()).await;
        let (gate, slow) = held_replace(&setup.faulty, &setup.node, key, first).await;
        let third = replaced(setup.node.replace(&key, &record(), first.next()).await);
        if ttl == SHORT {
            let written = Instant::now();
            eventually("it is not cached any more", async || written.elapsed() > 20 * SHORT).await;
        }
        let before = setup.node.stats();
        gate.open();
        assert!(slow.await.unwrap() < third);
        assert_eq!(setup.node.stats().fill_refused, before.fill_refused + 1);
        assert_eq!(read(&setup.node, &key).await.unwrap().0, third);
    }
}

/// Nobody has announced the later one; a read has found it.
#[tokio::test]
async fn an_own_write_does_not_take_the_place_of_a_later_one_that_was_read() {
    let setup = setup(LONG).await;
    let key = sample::key();
    let first = create(&*setup.shared, &key, &record()).await;
    let (gate, slow) = held_replace(&setup.faulty, &setup.node, key, first).await;
    let third = replaced(setup.shared.replace(&key, &record(), first.next()).await);
    assert_eq!(read_strong(&setup.node, &key).await, Some((third, Source::Shared)));
    gate.open();
    assert!(slow.await.unwrap() < third);
    assert_eq!(read(&setup.node, &key).await, Some((third, Source::Local)));
}

/// Redis begins at revision 1 again with a key that is used again.
#[tokio::test]
async fn a_session_that_a_node_creates_is_not_taken_for_the_one_before() {
    let server = Redis::start().await;
    let setup = setup_over(Arc::new(redis(&server).build().unwrap()), LONG).await;
    let key = sample::key();
    let first = create(&*setup.shared, &key, &record()).await;
    let (gate, slow) = held_replace(&setup.faulty, &setup.node, key, first).await;
    setup.shared.delete(&key).await.unwrap();
    let again = create(&setup.node, &key, &record()).await;
    gate.open();
    assert!(slow.await.unwrap() > again);
    assert_eq!(read(&setup.node, &key).await.unwrap().0, again);
}

#[tokio::test]
async fn of_two_loads_the_one_that_lands_last_may_be_the_older_one() {
    let setup = setup(LONG).await;
    let key = sample::key();
    let first = create(&*setup.shared, &key, &record()).await;
    let (gate, early) = held_load(&setup.faulty, &setup.node, key).await;
    let second = replaced(setup.shared.replace(&key, &record(), first).await);
    assert_eq!(read_strong(&setup.node, &key).await, Some((second, Source::Shared)));
    gate.open();
    assert_eq!(early.await.unwrap(), Some((first, Source::Shared)));
    assert_eq!(read(&setup.node, &key).await, Some((second, Source::Local)));
}

/// What nobody would tell of changes of is not kept, and what was kept before is let go of.
#[tokio::test]
async fn an_own_write_holds_where_nobody_knows_who_announces_changes() {
    let setup = setup(LONG).await;
    let key = sample::key();
    let first = create(&setup.node, &key, &record()).await;
    setup.is_lost.store(true, Ordering::Relaxed);
    let second = replaced(setup.node.replace(&key, &record(), first).await);
    for _ in 0..2 {
        assert_eq!(read(&setup.node, &key).await, Some((second, Source::Shared)));
    }
    setup.is_lost.store(false, Ordering::Relaxed);
    assert_eq!(read(&setup.node, &key).await, Some((second, Source::Shared)));
    assert_eq!(read(&setup.node, &key).await, Some((second, Source::Local)));
}

#[tokio::test]
async fn what_was_read_before_an_own_write_is_neither_kept_nor_shared_after_it() {
    let setup = setup(SHORT).await;
    let key = sample::key();
    let first = create(&*setup.shared, &key, &record()).await;
    let (gate, early) = held_load(&setup.faulty, &setup.node, key).await;
    let second = replaced(setup.node.replace(&key, &record(), first).await);
    eventually("it is asked for again", async || {
        let late = timeout(PATIENCE, read(&setup.node, &key)).await.expect("a flight of its own");
        late == Some((second, Source::Shared))
    })
    .await;
    let before = setup.node.stats();
    gate.open();
    assert_eq!(early.await.unwrap(), Some((first, Source::Shared)));
    assert_eq!(setup.node.stats().fill_refused, before.fill_refused + 1);
}

#[tokio::test]
async fn an_own_log_out_holds_at_once() {
    let setup = setup(LONG).await;
    let from = sample::key();
    let to = sample::key_beside(&from);
    let first = create(&setup.node, &from, &record()).await;
    let rotated = replaced(setup.node.rotate(&from, &to, &record(), first).await);
    assert_eq!(read(&setup.node, &from).await, None);
    assert_eq!(read(&setup.node, &to).await, Some((rotated, Source::Local)));
    setup.node.delete(&to).await.unwrap();
    assert_eq!(read(&setup.node, &to).await, None);
}

#[tokio::test]
async fn a_touch_that_finds_no_session_teaches_the_cache() {
    let setup = setup(LONG).await;
    let (key, record) = (sample::key(), record());
    let revision = create(&setup.node, &key, &record).await;
    setup.shared.delete(&key).await.unwrap();
    let idle_deadline = record.idle_deadline.plus(Duration::from_secs(60));
    let answers = setup.node.touch(&[Touch { key, idle_deadline }]).await.unwrap();
    assert_eq!(answers, [Touched::Done], "the cache vouches for it, and is not told better");
    assert_eq!(read(&setup.node, &key).await, Some((revision, Source::Local)));
    setup.node.flush().await.unwrap();
    assert_eq!(setup.node.stats().touches.gone, 1);
    assert_eq!(read(&setup.node, &key).await, None);
}

#[tokio::test]
async fn a_refused_write_teaches_the_cache() {
    let setup = setup(LONG).await;
    let key = sample::key();
    let first = create(&setup.node, &key, &record()).await;
    let second = replaced(setup.shared.replace(&key, &record(), first).await);
    assert_eq!(read(&setup.node, &key).await, Some((first, Source::Local)), "not heard of yet");
    let answer = setup.node.replace(&key, &record(), first).await.unwrap();
    assert!(matches!(answer, Replaced::Conflict(_)), "{answer:?}");
    assert_eq!(read(&setup.node, &key).await, Some((second, Source::Shared)));
    setup.shared.delete(&key).await.unwrap();
    assert_eq!(read(&setup.node, &key).await, Some((second, Source::Local)), "not heard of yet");
    let answer = setup.node.replace(&key, &record(), second).await.unwrap();
    assert!(matches!(answer, Replaced::Gone), "{answer:?}");
    assert_eq!(read(&setup.node, &key).await, None);
}

/// A store whose changes nobody hears of.
#[derive(Debug)]
struct Muffled {
    store: Arc<dyn Store>,
    is_lost: Arc<AtomicBool>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for Muffled {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        self.store.load(key, load).await
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        self.store.create(key, record).await
    }

    async fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.store.replace(key, record, expected).await
    }

    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.store.rotate(from, to, record, expected).await
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        self.store.touch(touches).await
    }

    async fn delete(&self, key: &Key) -> Result<bool, Error> {
        self.store.delete(key).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, Error> {
        self.store.purge_expired(limit).await
    }

    async fn fence(&self) -> Result<(), Error> {
        self.store.fence().await
    }

    async fn flush(&self) -> Result<(), Error> {
        self.store.flush().await
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        self.store.subjects()
    }

    fn backplane(&self) -> Option<Arc<dyn Backplane>> {
        let (backplane, is_lost) = (self.store.backplane()?, Arc::clone(&self.is_lost));
        Some(Arc::new(MuffledBackplane { backplane, is_lost }))
    }

    fn qualities(&self) -> Qualities {
        self.store.qualities()
    }
}

#[derive(Debug)]
struct MuffledBackplane {
    backplane: Arc<dyn Backplane>,
    is_lost: Arc<AtomicBool>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backplane for MuffledBackplane {
    async fn lanes(&self) -> Result<Vec<Lane>, Error> {
        self.backplane.lanes().await
    }

    fn lane_of(&self, key: &Key) -> Option<Lane> {
        (!self.is_lost.load(Ordering::Relaxed)).then(|| self.backplane.lane_of(key))?
    }

    async fn subscribe(&self, lane: Lane, node: NodeId) -> Result<Box<dyn Subscription>, Error> {
        Ok(Box::new(MuffledSubscription(self.backplane.subscribe(lane, node).await?)))
    }

    async fn echo(
        &self,
        lane: Lane,
        node: NodeId,
        number: u64,
        handled: u64,
    ) -> Result<Echoed, Error> {
        self.backplane.echo(lane, node, number, handled).await
    }

    async fn nudge(&self, lane: Lane) -> Result<(), Error> {
        self.backplane.nudge(lane).await
    }

    async fn nodes(&self, lane: Lane) -> Result<Vec<Heartbeat>, Error> {
        self.backplane.nodes(lane).await
    }
}

#[derive(Debug)]
struct MuffledSubscription(Box<dyn Subscription>);

#[async_trait]
impl Subscription for MuffledSubscription {
    async fn next(&mut self) -> Result<Event, Error> {
        loop {
            match self.0.next().await? {
                Event::Changed(..) => {}
                event => return Ok(event),
            }
        }
    }
}

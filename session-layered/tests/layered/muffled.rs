//! What holds on a node for its own changes, before it hears of them: announcements are held back
//! here, echoes are not.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::{
    Backplane, Created, Echoed, Error, Event, Heartbeat, Key, Lane, Load, Loaded, NodeId,
    Qualities, Record, Replaced, Revision, Source, Store, SubjectIndex, Subscription, Touch,
    Touched,
};
use session_layered::Layered;
use session_memory::MemoryStore;
use session_testkit::{FaultyStore, Method, sample};
use tokio::time::timeout;

use crate::fixture::{create, eventually, layered, leased, read, record, replaced};

const PATIENCE: Duration = Duration::from_secs(10);

struct Setup {
    shared: MemoryStore,
    faulty: Arc<FaultyStore>,
    node: Layered,
}

async fn setup(ttl: Duration) -> Setup {
    let shared = MemoryStore::new();
    let faulty = Arc::new(FaultyStore::new(Arc::new(Muffled(shared.clone()))));
    let node = leased(layered(Arc::clone(&faulty) as Arc<dyn Store>).ttl(ttl)).await;
    Setup { shared, faulty, node }
}

impl Setup {
    async fn begin_replace(
        &self,
        key: Key,
        expected: Revision,
    ) -> (session_testkit::Gate, tokio::task::JoinHandle<Revision>) {
        let gate = self.faulty.hold_reply(Method::Replace);
        let node = self.node.clone();
        let write = async move { replaced(node.replace(&key, &record(), expected).await) };
        let write = tokio::spawn(write);
        gate.reached().await;
        (gate, write)
    }
}

const LONG: Duration = Duration::from_secs(3_600);
/// So short that what was cached does not stand in the way of what should not be.
const SHORT: Duration = Duration::from_millis(1);

#[tokio::test]
async fn of_two_own_writes_the_one_acknowledged_first_may_be_the_later_one() {
    for ttl in [LONG, SHORT] {
        let setup = setup(ttl).await;
        let key = sample::key();
        let first = create(&setup.shared, &key, &record()).await;
        let (gate, slow) = setup.begin_replace(key, first).await;
        let third = replaced(setup.node.replace(&key, &record(), first.next()).await);
        if ttl == SHORT {
            eventually("it is not cached any more", async || {
                read(&setup.node, &key).await.unwrap().1 == Source::Shared
            })
            .await;
        }
        let before = setup.node.stats();
        gate.open();
        assert!(slow.await.unwrap() < third);
        assert_eq!(setup.node.stats().fill_refused, before.fill_refused + 1);
        assert_eq!(read(&setup.node, &key).await.unwrap().0, third);
    }
}

#[tokio::test]
async fn a_session_that_a_node_creates_is_not_taken_for_the_one_before() {
    let setup = setup(LONG).await;
    let key = sample::key();
    let first = create(&setup.shared, &key, &record()).await;
    let (gate, slow) = setup.begin_replace(key, first).await;
    setup.shared.delete(&key).await.unwrap();
    let again = create(&setup.node, &key, &record()).await;
    gate.open();
    slow.await.unwrap();
    assert_eq!(read(&setup.node, &key).await, Some((again, Source::Local)));
}

#[tokio::test]
async fn what_was_read_before_an_own_write_is_neither_kept_nor_shared_after_it() {
    let setup = setup(SHORT).await;
    let key = sample::key();
    let first = create(&setup.shared, &key, &record()).await;
    let gate = setup.faulty.hold_reply(Method::Load);
    let early = tokio::spawn({
        let node = setup.node.clone();
        async move { read(&node, &key).await }
    });
    gate.reached().await;
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
struct Muffled(MemoryStore);

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Store for Muffled {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        self.0.load(key, load).await
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        self.0.create(key, record).await
    }

    async fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.0.replace(key, record, expected).await
    }

    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.0.rotate(from, to, record, expected).await
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        self.0.touch(touches).await
    }

    async fn delete(&self, key: &Key) -> Result<bool, Error> {
        self.0.delete(key).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, Error> {
        self.0.purge_expired(limit).await
    }

    async fn fence(&self) -> Result<(), Error> {
        self.0.fence().await
    }

    async fn flush(&self) -> Result<(), Error> {
        self.0.flush().await
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        self.0.subjects()
    }

    fn backplane(&self) -> Option<Arc<dyn Backplane>> {
        Some(Arc::new(MuffledBackplane(self.0.backplane()?)))
    }

    fn qualities(&self) -> Qualities {
        self.0.qualities()
    }
}

#[derive(Debug)]
struct MuffledBackplane(Arc<dyn Backplane>);

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backplane for MuffledBackplane {
    async fn lanes(&self) -> Result<Vec<Lane>, Error> {
        self.0.lanes().await
    }

    fn lane_of(&self, key: &Key) -> Option<Lane> {
        self.0.lane_of(key)
    }

    async fn subscribe(&self, lane: Lane, node: NodeId) -> Result<Box<dyn Subscription>, Error> {
        Ok(Box::new(MuffledSubscription(self.0.subscribe(lane, node).await?)))
    }

    async fn echo(
        &self,
        lane: Lane,
        node: NodeId,
        number: u64,
        handled: u64,
    ) -> Result<Echoed, Error> {
        self.0.echo(lane, node, number, handled).await
    }

    async fn nudge(&self, lane: Lane) -> Result<(), Error> {
        self.0.nudge(lane).await
    }

    async fn nodes(&self, lane: Lane) -> Result<Vec<Heartbeat>, Error> {
        self.0.nodes(lane).await
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

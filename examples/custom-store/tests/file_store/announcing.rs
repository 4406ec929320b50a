//! Files that announce their changes, within one process: what a cache in front needs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use custom_store::FileStore;
use session_kit::{
    Backplane, Change, Clock as _, Created, Echoed, Epoch, Error, ErrorKind, Event, Heartbeat, Key,
    Lane, Load, Loaded, NodeId, Order, Qualities, Record, Replaced, Revision, Source, Store,
    SubjectIndex, Subscription, SystemClock, Timestamp, Touch, Touched,
};
use session_testkit::Harness;
use tempfile::TempDir;
use tokio::sync::broadcast;

use crate::composed::cached_files;

#[derive(Clone, Debug)]
pub(crate) struct Announcing {
    files: FileStore,
    voice: Arc<Voice>,
    /// Held from before a write until it is announced.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Announcing {
    pub(crate) fn new(files: FileStore) -> Self {
        let voice = Voice { channel: broadcast::Sender::new(4_096), heartbeats: Mutex::default() };
        Self { files, voice: Arc::new(voice), turn: Arc::default() }
    }

    /// Writes and announces, whether anybody waits for it or not.
    async fn write<T: Send + 'static>(
        &self,
        write: impl Future<Output = Result<T, Error>> + Send + 'static,
        changes: impl FnOnce(&T) -> Vec<(Key, Change)> + Send + 'static,
    ) -> Result<T, Error> {
        let (voice, turn) = (Arc::clone(&self.voice), Arc::clone(&self.turn));
        let done = tokio::spawn(async move {
            let _turn = turn.lock().await;
            let result = write.await?;
            for (key, change) in changes(&result) {
                voice.send(Message::Changed(key, change));
            }
            Ok(result)
        });
        done.await.expect("a write that does not panic")
    }
}

#[async_trait]
impl Store for Announcing {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        self.files.load(key, load).await
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        let (files, key, record) = (self.files.clone(), *key, record.clone());
        let changes = move |created: &Created| match created {
            Created::Created(revision) => vec![(key, Change::Revision(*revision))],
            Created::Duplicate => Vec::new(),
        };
        self.write(async move { files.create(&key, &record).await }, changes).await
    }

    async fn replace(
        &self,
        key: &Key,
        new: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        let (files, key, record) = (self.files.clone(), *key, new.clone());
        let changes = move |replaced: &Replaced| match replaced {
            Replaced::Replaced(revision) => vec![(key, Change::Revision(*revision))],
            _ => Vec::new(),
        };
        self.write(async move { files.replace(&key, &record, expected).await }, changes).await
    }

    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        let (files, from, to, record) = (self.files.clone(), *from, *to, record.clone());
        let changes = move |replaced: &Replaced| match replaced {
            Replaced::Replaced(revision) => {
                vec![(from, Change::Removed), (to, Change::Revision(*revision))]
            }
            _ => Vec::new(),
        };
        self.write(async move { files.rotate(&from, &to, &record, expected).await }, changes).await
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        self.files.touch(touches).await
    }

    async fn delete(&self, key: &Key) -> Result<bool, Error> {
        let (files, key) = (self.files.clone(), *key);
        let changes = move |_: &bool| vec![(key, Change::Removed)];
        self.write(async move { files.delete(&key).await }, changes).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, Error> {
        self.files.purge_expired(limit).await
    }

    async fn fence(&self) -> Result<(), Error> {
        self.files.fence().await
    }

    async fn flush(&self) -> Result<(), Error> {
        self.files.flush().await
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        self.files.subjects()
    }

    fn backplane(&self) -> Option<Arc<dyn Backplane>> {
        Some(Arc::clone(&self.voice) as Arc<dyn Backplane>)
    }

    /// What another process writes is not announced to this one.
    fn qualities(&self) -> Qualities {
        Qualities::NONE.durable()
    }
}

/// One lane, which is a channel.
#[derive(Debug)]
struct Voice {
    channel: broadcast::Sender<Message>,
    heartbeats: Mutex<HashMap<NodeId, Heartbeat>>,
}

#[derive(Clone, Copy, Debug)]
enum Message {
    Changed(Key, Change),
    Echo(NodeId, u64),
    Nudge,
}

impl Voice {
    fn send(&self, message: Message) {
        // Refused if nobody listens.
        let _ = self.channel.send(message);
    }
}

#[async_trait]
impl Backplane for Voice {
    async fn lanes(&self) -> Result<Vec<Lane>, Error> {
        Ok(vec![Lane(0)])
    }

    fn lane_of(&self, _: &Key) -> Option<Lane> {
        Some(Lane(0))
    }

    async fn subscribe(&self, _: Lane, node: NodeId) -> Result<Box<dyn Subscription>, Error> {
        Ok(Box::new(Hearing { messages: Some(self.channel.subscribe()), node }))
    }

    async fn echo(
        &self,
        _: Lane,
        node: NodeId,
        number: u64,
        handled: u64,
    ) -> Result<Echoed, Error> {
        let mut heartbeats = self.heartbeats.lock().unwrap();
        let order = Order(1 + heartbeats.values().map(|beat| beat.order.0).max().unwrap_or(0));
        let beat = heartbeats.entry(node).or_insert(Heartbeat { node, sent: 0, handled: 0, order });
        beat.sent = beat.sent.max(number);
        beat.handled = beat.handled.max(handled);
        beat.order = order;
        self.send(Message::Echo(node, number));
        Ok(Echoed { epoch: Epoch(1), order })
    }

    async fn nudge(&self, _: Lane) -> Result<(), Error> {
        self.send(Message::Nudge);
        Ok(())
    }

    async fn nodes(&self, _: Lane) -> Result<Vec<Heartbeat>, Error> {
        Ok(self.heartbeats.lock().unwrap().values().copied().collect())
    }
}

#[derive(Debug)]
struct Hearing {
    /// `None` once something was missed: whoever heard what comes then would think it complete.
    messages: Option<broadcast::Receiver<Message>>,
    node: NodeId,
}

#[async_trait]
impl Subscription for Hearing {
    async fn next(&mut self) -> Result<Event, Error> {
        while let Some(messages) = &mut self.messages {
            match messages.recv().await {
                Ok(Message::Changed(key, change)) => return Ok(Event::Changed(key, change)),
                Ok(Message::Echo(node, number)) if node == self.node => {
                    return Ok(Event::Echo(number));
                }
                Ok(Message::Echo(..)) => {}
                Ok(Message::Nudge) => return Ok(Event::Nudge),
                Err(_) => self.messages = None,
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "the subscription has ended"))
    }
}

mod alone {
    use super::*;

    async fn harness() -> RealTime {
        let folder = tempfile::tempdir().unwrap();
        let open = |folder: &std::path::Path| -> Arc<dyn Store> {
            Arc::new(Announcing::new(FileStore::open(folder, SystemClock).unwrap()))
        };
        RealTime { store: open(folder.path()), open, folder }
    }

    session_testkit::store_tests!(harness);
}

mod under_a_cache {
    use super::*;

    async fn harness() -> RealTime {
        let folder = tempfile::tempdir().unwrap();
        let store = cached_files(folder.path());
        until_cached(&*store).await;
        RealTime { store, open: cached_files, folder }
    }

    /// From then on the cache answers.
    async fn until_cached(store: &dyn Store) {
        let key = Key::from_parts(session_kit::Partition::new([0; 2]), [0; Key::DIGEST_BYTES]);
        let record = session_testkit::sample::record(SystemClock.now());
        store.create(&key, &record).await.unwrap();
        let until = SystemClock.now().plus(Duration::from_secs(10));
        while !matches!(
            store.load(&key, Load::default()).await.unwrap(),
            Loaded::Found { source: Source::Local, .. }
        ) {
            assert!(SystemClock.now() < until, "nothing is cached");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        store.delete(&key).await.unwrap();
    }

    session_testkit::store_tests!(harness);
}

/// A store with the clock of the system: a cache that is composed from a file has no other.
struct RealTime {
    store: Arc<dyn Store>,
    open: fn(&std::path::Path) -> Arc<dyn Store>,
    folder: TempDir,
}

#[async_trait]
impl Harness for RealTime {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn advance(&self, by: Duration) {
        let until = self.now().plus(by);
        while self.now() < until {
            tokio::time::sleep(until.since(self.now())).await;
        }
    }

    fn tick(&self) -> Duration {
        Duration::from_millis(500)
    }

    async fn reopen(&self) -> Option<Arc<dyn Store>> {
        Some((self.open)(self.folder.path()))
    }
}

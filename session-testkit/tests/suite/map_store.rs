// The contract in its simplest form: one map behind one lock. (No inner doc comment, because the
// example in the crate's documentation includes this file.)

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use session_core::{
    Backplane, Change, Clock, Created, Echoed, Epoch, Error, ErrorKind, Event, Heartbeat, Key,
    Lane, Load, Loaded, NodeId, Order, Page, Qualities, Record, Replaced, Revision, Source, Store,
    Subject, SubjectIndex, Subscription, Timestamp, Touch, Touched,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Clones share the sessions, as processes share a server.
#[derive(Clone, Debug)]
pub(crate) struct MapStore {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) qualities: Qualities,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) sessions: BTreeMap<Key, Record>,
    pub(crate) listeners: Vec<(NodeId, UnboundedSender<Event>)>,
    echoes: u64,
    heartbeats: BTreeMap<u64, Heartbeat>,
}

impl State {
    pub(crate) fn live(&self, key: &Key, now: Timestamp) -> Option<&Record> {
        self.sessions.get(key).filter(|record| !record.is_expired(now))
    }

    /// Stores and announces in one step.
    pub(crate) fn put(&mut self, key: &Key, record: &Record, revision: Revision) {
        self.sessions.insert(*key, Record { revision, ..record.clone() });
        self.announce(*key, Change::Revision(revision));
    }

    pub(crate) fn announce(&mut self, key: Key, change: Change) {
        self.tell(Event::Changed(key, change));
    }

    fn tell(&mut self, event: Event) {
        self.listeners.retain(|(_, listener)| listener.send(event).is_ok());
    }

    /// Whether the session can be written at `expected`.
    pub(crate) fn check(&self, key: &Key, expected: Revision, now: Timestamp) -> Option<Replaced> {
        match self.live(key, now) {
            None => Some(Replaced::Gone),
            Some(current) if current.revision != expected => {
                Some(Replaced::Conflict(Arc::new(current.clone())))
            }
            Some(_) => None,
        }
    }
}

impl MapStore {
    pub(crate) fn new(clock: impl Clock) -> Self {
        Self { state: Arc::default(), clock: Arc::new(clock), qualities: Qualities::NONE }
    }

    /// Works on everything at one moment.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut state, self.clock.now())
    }
}

#[async_trait]
impl Store for MapStore {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        Ok(self.with(|state, now| match state.live(key, now) {
            None => Loaded::Absent,
            Some(record) if load.known == Some(record.revision) => {
                Loaded::Unchanged { idle_deadline: record.idle_deadline }
            }
            Some(record) => {
                Loaded::Found { record: Arc::new(record.clone()), source: Source::Shared }
            }
        }))
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        Ok(self.with(|state, now| {
            if state.live(key, now).is_some() {
                return Created::Duplicate;
            }
            let revision = Revision::UNSAVED.next();
            state.put(key, record, revision);
            Created::Created(revision)
        }))
    }

    async fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        Ok(self.with(|state, now| {
            if let Some(refused) = state.check(key, expected, now) {
                return refused;
            }
            state.put(key, record, expected.next());
            Replaced::Replaced(expected.next())
        }))
    }

    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.with(|state, now| {
            if let Some(refused) = state.check(from, expected, now) {
                return Ok(refused);
            }
            if state.live(to, now).is_some() {
                return Err(Error::new(ErrorKind::Misuse, "the new key is taken"));
            }
            state.sessions.remove(from);
            state.announce(*from, Change::Removed);
            state.put(to, record, expected.next());
            Ok(Replaced::Replaced(expected.next()))
        })
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        Ok(self.with(|state, now| {
            let touched = touches.iter().map(|touch| {
                if state.live(&touch.key, now).is_none() {
                    return Touched::Gone;
                }
                state.sessions.entry(touch.key).and_modify(|record| {
                    let target = touch.idle_deadline.min(record.absolute_deadline);
                    record.idle_deadline = record.idle_deadline.max(target);
                });
                Touched::Done
            });
            touched.collect()
        }))
    }

    async fn delete(&self, key: &Key) -> Result<bool, Error> {
        Ok(self.with(|state, now| {
            let was_there = state.live(key, now).is_some();
            state.sessions.remove(key);
            state.announce(*key, Change::Removed);
            was_there
        }))
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, Error> {
        Ok(self.with(|state, now| {
            let before = state.sessions.len();
            let mut left = limit;
            state.sessions.retain(|_, record| {
                let freed = left > 0 && record.is_expired(now);
                left -= usize::from(freed);
                !freed
            });
            before - state.sessions.len()
        }))
    }

    async fn fence(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        Some(self)
    }

    fn backplane(&self) -> Option<Arc<dyn Backplane>> {
        Some(Arc::new(self.clone()))
    }

    fn qualities(&self) -> Qualities {
        self.qualities
    }
}

#[async_trait]
impl SubjectIndex for MapStore {
    async fn list(
        &self,
        subject: &Subject,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Page, Error> {
        Ok(self.with(|state, now| {
            let mut sessions: Vec<_> = state
                .sessions
                .iter()
                .filter(|(key, _)| after.is_none_or(|after| *key > after))
                .filter(|(_, record)| record.subject.as_ref() == Some(subject))
                .filter(|(_, record)| !record.is_expired(now))
                .map(|(key, record)| (*key, Arc::new(record.clone())))
                .take(limit + 1)
                .collect();
            let more = sessions.len() > limit;
            sessions.truncate(limit);
            let next = sessions.last().filter(|_| more).map(|(key, _)| *key);
            Page { sessions, next }
        }))
    }
}

#[async_trait]
impl Backplane for MapStore {
    async fn lanes(&self) -> Result<Vec<Lane>, Error> {
        Ok(vec![Lane(0)])
    }

    fn lane_of(&self, _key: &Key) -> Option<Lane> {
        Some(Lane(0))
    }

    async fn subscribe(&self, _lane: Lane, node: NodeId) -> Result<Box<dyn Subscription>, Error> {
        let (sender, receiver) = unbounded_channel();
        self.with(|state, _| state.listeners.push((node, sender)));
        Ok(Box::new(Listening(receiver)))
    }

    async fn echo(
        &self,
        _lane: Lane,
        node: NodeId,
        number: u64,
        handled: u64,
    ) -> Result<Echoed, Error> {
        Ok(self.with(|state, _| {
            state.echoes += 1;
            let order = Order(state.echoes);
            let before = state.heartbeats.get(&node.0);
            let (sent, handled) = before
                .map_or((number, handled), |it| (number.max(it.sent), handled.max(it.handled)));
            state.heartbeats.insert(node.0, Heartbeat { node, sent, handled, order });
            for (_, listener) in state.listeners.iter().filter(|(listening, _)| *listening == node)
            {
                // Who has gone needs no echo.
                let _ = listener.send(Event::Echo(number));
            }
            Echoed { epoch: Epoch(1), order }
        }))
    }

    async fn nudge(&self, _lane: Lane) -> Result<(), Error> {
        self.with(|state, _| state.tell(Event::Nudge));
        Ok(())
    }

    async fn nodes(&self, _lane: Lane) -> Result<Vec<Heartbeat>, Error> {
        Ok(self.with(|state, _| state.heartbeats.values().copied().collect()))
    }
}

#[derive(Debug)]
struct Listening(UnboundedReceiver<Event>);

#[async_trait]
impl Subscription for Listening {
    async fn next(&mut self) -> Result<Event, Error> {
        let ended = || Error::new(ErrorKind::Unavailable, "the store is gone");
        self.0.recv().await.ok_or_else(ended)
    }
}

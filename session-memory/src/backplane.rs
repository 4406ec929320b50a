//! Announcements, within this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use session_core::{
    Backplane, Change, Echoed, Entropy as _, Epoch, Error, ErrorKind, Event, Heartbeat, Key, Lane,
    NodeId, Order, OsEntropy, Subscription,
};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::sync::lock;

/// One lane, which is a broadcast channel.
///
/// A write announces itself before it lets go of its shard's lock. What was acknowledged before an
/// echo was sent is therefore in the channel before the echo.
#[derive(Debug, Default)]
pub(crate) struct LocalBackplane {
    /// Held once more by every subscription that has not ended: without one, nothing is sent.
    listening: Arc<()>,
    /// Made for the first subscription; most stores never have one.
    channel: OnceLock<broadcast::Sender<Message>>,
    epoch: OnceLock<Epoch>,
    heartbeats: Mutex<Heartbeats>,
}

/// The echoes that were sent.
#[derive(Debug, Default)]
struct Heartbeats {
    count: u64,
    latest: HashMap<NodeId, (Heartbeat, Instant)>,
}

/// How long a node that sends no more echoes is remembered.
const HEARTBEAT_KEPT: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug)]
enum Message {
    Changed(Key, Change),
    Echo(NodeId, u64),
    Nudge,
}

impl LocalBackplane {
    const LANE: Lane = Lane(0);
    /// How far a subscription may fall behind before it ends.
    pub(crate) const BACKLOG: usize = 4_096;

    /// Tells whoever listens. Called under the lock that orders the writes of `key`.
    pub(crate) fn announce(&self, key: &Key, change: Change) {
        self.send(|| Message::Changed(*key, change));
    }

    fn send(&self, message: impl FnOnce() -> Message) {
        let is_heard = Arc::strong_count(&self.listening) > 1;
        if is_heard && let Some(channel) = self.channel.get() {
            // Refused if the last subscription has just ended: nobody is left to tell.
            let _ = channel.send(message());
        }
    }

    /// Drawn when somebody asks first: a store that nobody listens to needs no randomness.
    fn epoch(&self) -> Result<Epoch, Error> {
        if let Some(epoch) = self.epoch.get() {
            return Ok(*epoch);
        }
        let mut bytes = [0; 8];
        OsEntropy.fill(&mut bytes)?;
        Ok(*self.epoch.get_or_init(|| Epoch(u64::from_ne_bytes(bytes))))
    }
}

impl Heartbeats {
    fn beat(&mut self, node: NodeId, sent: u64, handled: u64) -> Order {
        self.count += 1;
        let (order, now) = (Order(self.count), Instant::now());
        self.latest.retain(|_, (_, at)| now.duration_since(*at) < HEARTBEAT_KEPT);
        let beat = Heartbeat { node, sent, handled, order };
        let (latest, at) = self.latest.entry(node).or_insert((beat, now));
        let (sent, handled) = (sent.max(latest.sent), handled.max(latest.handled));
        (*latest, *at) = (Heartbeat { sent, handled, ..beat }, now);
        order
    }
}

#[async_trait]
impl Backplane for LocalBackplane {
    async fn lanes(&self) -> Result<Vec<Lane>, Error> {
        Ok(vec![Self::LANE])
    }

    fn lane_of(&self, _: &Key) -> Option<Lane> {
        Some(Self::LANE)
    }

    async fn subscribe(&self, lane: Lane, node: NodeId) -> Result<Box<dyn Subscription>, Error> {
        check(lane).map_err(|error| error.during("subscribe"))?;
        let channel = self.channel.get_or_init(|| broadcast::Sender::new(Self::BACKLOG));
        let messages = channel.subscribe();
        let heard = Listening { messages, _listening: Arc::clone(&self.listening) };
        Ok(Box::new(LocalSubscription { heard: Some(heard), node }))
    }

    async fn echo(
        &self,
        lane: Lane,
        node: NodeId,
        number: u64,
        handled: u64,
    ) -> Result<Echoed, Error> {
        check(lane).map_err(|error| error.during("echo"))?;
        let epoch = self.epoch().map_err(|error| error.during("echo"))?;
        // First: who finds no heartbeat may take it that the echo is yet to be sent.
        let order = lock(&self.heartbeats).beat(node, number, handled);
        self.send(|| Message::Echo(node, number));
        Ok(Echoed { epoch, order })
    }

    async fn nudge(&self, lane: Lane) -> Result<(), Error> {
        check(lane).map_err(|error| error.during("nudge"))?;
        self.send(|| Message::Nudge);
        Ok(())
    }

    async fn nodes(&self, lane: Lane) -> Result<Vec<Heartbeat>, Error> {
        check(lane).map_err(|error| error.during("nodes"))?;
        let heartbeats = lock(&self.heartbeats);
        Ok(heartbeats.latest.values().map(|(heartbeat, _)| *heartbeat).collect())
    }
}

fn check(lane: Lane) -> Result<(), Error> {
    if lane == LocalBackplane::LANE {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Misuse, "the memory store has one lane").with("lane", lane.0))
}

/// What one node hears.
#[derive(Debug)]
struct LocalSubscription {
    /// `None` once the subscription has ended.
    heard: Option<Listening>,
    node: NodeId,
}

#[derive(Debug)]
struct Listening {
    messages: broadcast::Receiver<Message>,
    _listening: Arc<()>,
}

#[async_trait]
impl Subscription for LocalSubscription {
    async fn next(&mut self) -> Result<Event, Error> {
        let node = self.node;
        let ended = loop {
            let Some(heard) = &mut self.heard else { break None };
            match heard.messages.recv().await {
                Ok(Message::Changed(key, change)) => return Ok(Event::Changed(key, change)),
                Ok(Message::Echo(to, number)) if to == node => return Ok(Event::Echo(number)),
                Ok(Message::Echo(..)) => {}
                Ok(Message::Nudge) => return Ok(Event::Nudge),
                Err(ended) => break Some(ended),
            }
        };
        // The channel would go on behind the gap. Nobody may hear what comes then: a cache that
        // did would believe itself complete.
        self.heard = None;
        Err(gone(ended))
    }
}

fn gone(ended: Option<RecvError>) -> Error {
    match ended {
        Some(RecvError::Lagged(lost)) => {
            Error::new(ErrorKind::Unavailable, "the subscription fell behind and has lost events")
                .with("lost", lost)
                .with("backlog", LocalBackplane::BACKLOG)
        }
        Some(RecvError::Closed) => {
            Error::new(ErrorKind::Unavailable, "the store is gone, and its announcements with it")
        }
        None => Error::new(ErrorKind::Unavailable, "the subscription has ended"),
    }
    .during("next event")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_sent_before_the_first_subscription_or_after_the_last() {
        let backplane = LocalBackplane::default();
        backplane.send(|| panic!("nobody listens"));
        assert!(backplane.channel.get().is_none());
        let first = backplane.subscribe(LocalBackplane::LANE, NodeId(1)).await.unwrap();
        let second = backplane.subscribe(LocalBackplane::LANE, NodeId(2)).await.unwrap();
        drop(first);
        assert_eq!(Arc::strong_count(&backplane.listening), 2);
        drop(second);
        backplane.send(|| panic!("nobody listens any more"));
    }

    #[tokio::test]
    async fn a_store_has_one_epoch_and_another_store_another() {
        let [one, other] = [LocalBackplane::default(), LocalBackplane::default()];
        let echo = async |on: &LocalBackplane, lane| on.echo(lane, NodeId(1), 1, 0).await;
        let epoch = echo(&one, LocalBackplane::LANE).await.unwrap().epoch;
        assert_eq!(echo(&one, LocalBackplane::LANE).await.unwrap().epoch, epoch);
        assert_ne!(echo(&other, LocalBackplane::LANE).await.unwrap().epoch, epoch);
        let error = echo(&one, Lane(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse);
    }
}

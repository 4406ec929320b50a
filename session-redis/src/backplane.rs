//! Announcements, by way of Redis' publish and subscribe.
//!
//! A lane is a primary. Its subscription is a connection of its own, to that very server, on which
//! the server sends what it publishes in the order in which it executes: announcements come from
//! within the scripts that write, echoes from within the script that writes the heartbeat.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, PushInfo, PushKind, Value};
use session_core::{
    Backplane, Echoed, Entropy as _, Epoch, Error, ErrorKind, Event, Heartbeat, Key, Lane, NodeId,
    Order, OsEntropy, Subscription,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tokio::time::{timeout, timeout_at};

use crate::announcement;
use crate::client::{Call, Request};
use crate::connect::{Connection, Driver, Owned, Primary, Servers, role_of};
use crate::error::Failure;
use crate::scripts;
use crate::slot::Slot;
use crate::store::State;
use crate::sync::lock;
use crate::topology::Endpoint;

/// How the stores of a namespace tell each other.
#[derive(Clone)]
pub(crate) struct RedisBackplane {
    state: Arc<State>,
}

/// A primary, and where its heartbeats lie.
struct Listened {
    primary: Arc<Primary>,
    tag: [u8; 4],
    /// What it owns, as far as is known here; `None` where there is but one server.
    owned: Option<Owned>,
}

/// Where heartbeats lie if there is one server, on which any place will do.
const ONLY_TAG: [u8; 4] = *b"0000";
/// How long the server remembers a node that sends no more echoes, in ms.
const HEARTBEAT_KEPT: u64 = 120_000;
/// How far a subscription may fall behind before it ends.
const BACKLOG: usize = 65_536;

impl RedisBackplane {
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    fn listened(&self, lane: Lane) -> Result<Listened, Error> {
        let found = match &self.state.client.servers {
            Servers::One { primary, .. } => (primary.lane == lane).then(|| Listened {
                primary: Arc::clone(primary),
                tag: ONLY_TAG,
                owned: None,
            }),
            Servers::Cluster(cluster) => cluster.known().and_then(|map| {
                let owner = map.owner_of_lane(lane)?;
                let primary = Arc::clone(&owner.primary);
                Some(Listened { primary, tag: owner.tag?, owned: Some(owner.owned.clone()) })
            }),
        };
        found.ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "there is no such lane, or not any more")
                .with("lane", lane.0)
        })
    }

    async fn listen(&self, lane: Lane, node: NodeId) -> Result<RedisSubscription, Error> {
        let lane = self.listened(lane)?;
        let primary = &lane.primary;
        let until = self.state.client.until();
        let connection = timeout_at(until, primary.link.connection()).await;
        let Connection { endpoint: at, number, .. } =
            connection.unwrap_or_else(|_| Err(Failure::timeout("no connection in time").into()))?;
        let names = &self.state.names;
        let id = primary.id.as_deref();
        let (changes, echo) = (names.changes(id).into_owned(), names.echo(id, node));
        let inbox = Arc::new(Inbox::new(changes.clone().into()));
        let on_push = {
            let inbox = Arc::clone(&inbox);
            move |push| inbox.receive(push)
        };
        let connector = primary.connector();
        let (mut connection, driver) = connector.open_listening(&at, Box::new(on_push)).await?;
        let subscribing = async {
            let role = connection.send_packed_command(&redis::cmd("ROLE")).await?;
            // A service that keeps it to itself is believed, as everywhere.
            if role_of(&role) == Some("slave") {
                return Err(Failure::refused("READONLY"));
            }
            Ok(connection.subscribe(&[changes, echo]).await?)
        };
        timeout(connector.timeout, subscribing)
            .await
            .unwrap_or_else(|_| Err(Failure::timeout("subscribing took too long")))?;
        Ok(RedisSubscription {
            inbox,
            state: Arc::clone(&self.state),
            lane,
            at,
            number,
            driver,
            _connection: connection,
        })
    }

    async fn send_echo(
        &self,
        lane: Lane,
        node: NodeId,
        number: u64,
        handled: u64,
    ) -> Result<Echoed, Error> {
        let Listened { primary, tag, owned } = self.listened(lane)?;
        let names = &self.state.names;
        let (nodes, epoch) = (names.nodes(tag), names.epoch(tag));
        let mut fresh = [0; 8];
        OsEntropy.fill(&mut fresh)?;
        let fresh = format!("{:016x}", u64::from_be_bytes(fresh));
        let request = Request::Script {
            script: &scripts::ECHO,
            keys: &[nodes.as_bytes(), epoch.as_bytes()],
            arguments: &|executing, command| {
                command.arg(field_of(node)).arg(number).arg(handled).arg(HEARTBEAT_KEPT);
                command.arg(names.echo(executing.id.as_deref(), node)).arg(&fresh);
                command.arg(if executing.id.is_some() { "1" } else { "0" });
            },
        };
        let slot = Slot::of_tag(&tag);
        let until = self.state.client.until();
        let call = Call { slot, request, until, is_repeatable: true, wait: None };
        let Value::Array(answer) = self.state.client.execute(call).await? else {
            return Err(Failure::strange_reply().into());
        };
        let mut answer = answer.into_iter();
        let (Some(Value::BulkString(epoch)), Some(Value::Int(order))) =
            (answer.next(), answer.next())
        else {
            return Err(Failure::strange_reply().into());
        };
        if let Some(owned) = owned {
            let Some(Value::BulkString(itself)) = answer.next() else {
                return Err(Failure::strange_reply().into());
            };
            if !owns_just(&itself, primary.id.as_deref(), &owned) {
                if let Servers::Cluster(cluster) = &self.state.client.servers {
                    cluster.contradict();
                }
                let message = "slots are moving, or have moved: caches may not rely on this lane";
                return Err(Error::new(ErrorKind::Unavailable, message).with("lane", lane.0));
            }
        }
        Ok(Echoed { epoch: epoch_of(&epoch), order: Order(order.unsigned_abs()) })
    }

    async fn send_nudge(&self, lane: Lane) -> Result<(), Error> {
        let lane = self.listened(lane)?;
        let changes = self.state.names.changes(lane.primary.id.as_deref());
        let mut command = redis::cmd("PUBLISH");
        command.arg(&*changes).arg(announcement::NUDGE);
        self.ask_primary(&lane, &command).await?;
        Ok(())
    }

    async fn list_nodes(&self, lane: Lane) -> Result<Vec<Heartbeat>, Error> {
        let lane = self.listened(lane)?;
        let mut command = redis::cmd("HGETALL");
        command.arg(self.state.names.nodes(lane.tag));
        let answer = self.ask_primary(&lane, &command).await?;
        let fields: Vec<(Vec<u8>, Vec<u8>)> =
            redis::from_redis_value(answer).map_err(|_| Failure::strange_reply())?;
        // Two fields are none.
        Ok(fields.iter().filter_map(|(field, value)| heartbeat_of(field, value)).collect())
    }

    async fn ask_primary(&self, lane: &Listened, command: &Cmd) -> Result<Value, Error> {
        let (slot, until) = (Slot::of_tag(&lane.tag), self.state.client.until());
        let request = Request::Command(command);
        let call = Call { slot, request, until, is_repeatable: true, wait: None };
        self.state.client.execute(call).await
    }
}

/// What a node is called among the heartbeats.
fn field_of(node: NodeId) -> String {
    format!("{:016x}", node.0)
}

/// A heartbeat as the script writes it: numbers sent and handled, and the order.
fn heartbeat_of(field: &[u8], value: &[u8]) -> Option<Heartbeat> {
    let node = NodeId(u64::from_str_radix(std::str::from_utf8(field).ok()?, 16).ok()?);
    let mut numbers = std::str::from_utf8(value).ok()?.split(':').map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some(Heartbeat { node, sent: next()?, handled: next()?, order: Order(next()?) })
}

/// Whether a server that says this about itself (`CLUSTER NODES`) is the primary of that id, owns
/// just this, since then, and lets go of none of it: then every change in these slots that was
/// acknowledged before it said so was executed by it.
fn owns_just(itself: &[u8], id: Option<&str>, owned: &Owned) -> bool {
    let Ok(line) = std::str::from_utf8(itself) else { return false };
    let mut words = line.split_whitespace();
    let is_it = words.next() == id;
    let is_leaving = |word: &str| word.starts_with('[') && word.contains("->-");
    is_it
        && !words.clone().any(is_leaving)
        // Behind address, flags and primary.
        && Owned::parse(words.skip(3)).is_some_and(|now| now == *owned)
}

/// Anything may be written there by hand to say that all is different now.
fn epoch_of(text: &[u8]) -> Epoch {
    let written = std::str::from_utf8(text).ok().filter(|text| text.len() == 16);
    let number = written.and_then(|text| u64::from_str_radix(text, 16).ok());
    Epoch(number.unwrap_or_else(|| {
        let digest: [u8; 32] = Sha256::digest(text).into();
        digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
    }))
}

#[async_trait]
impl Backplane for RedisBackplane {
    async fn lanes(&self) -> Result<Vec<Lane>, Error> {
        match &self.state.client.servers {
            Servers::One { primary, .. } => Ok(vec![primary.lane]),
            Servers::Cluster(cluster) => {
                let map = timeout(self.state.client.timeout, cluster.map()).await;
                let map = map.unwrap_or_else(|_| Err(Failure::timeout("no map in time").into()));
                let map = map.map_err(|error| error.during("lanes"))?;
                // Where no session can lie there is nothing to hear.
                let with_sessions = map.primaries().iter().filter(|owner| owner.tag.is_some());
                Ok(with_sessions.map(|owner| owner.primary.lane).collect())
            }
        }
    }

    fn lane_of(&self, key: &Key) -> Option<Lane> {
        match &self.state.client.servers {
            Servers::One { primary, .. } => Some(primary.lane),
            Servers::Cluster(cluster) => {
                let slot = Slot::of_partition(key.partition());
                Some(cluster.known()?.owner(slot)?.primary.lane)
            }
        }
    }

    async fn subscribe(&self, lane: Lane, node: NodeId) -> Result<Box<dyn Subscription>, Error> {
        let subscription = self.listen(lane, node).await.map_err(|e| e.during("subscribe"))?;
        Ok(Box::new(subscription))
    }

    async fn echo(
        &self,
        lane: Lane,
        node: NodeId,
        number: u64,
        handled: u64,
    ) -> Result<Echoed, Error> {
        let echoed = self.send_echo(lane, node, number, handled).await;
        echoed.map_err(|error| error.during("echo"))
    }

    async fn nudge(&self, lane: Lane) -> Result<(), Error> {
        self.send_nudge(lane).await.map_err(|error| error.during("nudge"))
    }

    async fn nodes(&self, lane: Lane) -> Result<Vec<Heartbeat>, Error> {
        self.list_nodes(lane).await.map_err(|error| error.during("nodes"))
    }
}

/// What one node hears of one primary.
struct RedisSubscription {
    inbox: Arc<Inbox>,
    state: Arc<State>,
    /// As it was when this began.
    lane: Listened,
    at: Arc<Endpoint>,
    /// The connection that calls took when this began.
    number: u64,
    driver: Driver,
    /// The driver lives as long as its connection.
    _connection: MultiplexedConnection,
}

/// Between the task that reads the connection and the one that handles what came.
struct Inbox {
    changes: Box<str>,
    received: Mutex<Received>,
    arrived: Notify,
}

#[derive(Default)]
struct Received {
    events: VecDeque<Event>,
    is_over: bool,
}

impl Inbox {
    fn new(changes: Box<str>) -> Self {
        Self { changes, received: Mutex::default(), arrived: Notify::new() }
    }

    /// Called by the connection's driver, in order.
    fn receive(&self, push: PushInfo) {
        let event = match push.kind {
            PushKind::Message => Some(self.event(&push.data).unwrap_or(Event::Unintelligible)),
            PushKind::Disconnection | PushKind::Unsubscribe => None,
            _ => return,
        };
        let mut received = lock(&self.received);
        match event {
            Some(event) if !received.is_over && received.events.len() < BACKLOG => {
                received.events.push_back(event);
            }
            // Whoever is so far behind starts again rather than believe that it is complete.
            _ => received.is_over = true,
        }
        drop(received);
        self.arrived.notify_one();
    }

    /// A message on one of the two channels. `None` for garbage.
    fn event(&self, data: &[Value]) -> Option<Event> {
        let [Value::BulkString(channel), Value::BulkString(message)] = data else { return None };
        if channel == self.changes.as_bytes() {
            return announcement::decode(message);
        }
        Some(Event::Echo(std::str::from_utf8(message).ok()?.parse().ok()?))
    }

    /// The next event, `Some(None)` after the last one, `None` if it has to be waited for.
    fn take(&self) -> Option<Option<Event>> {
        let mut received = lock(&self.received);
        match received.events.pop_front() {
            Some(event) => Some(Some(event)),
            None => received.is_over.then_some(None),
        }
    }
}

#[async_trait]
impl Subscription for RedisSubscription {
    async fn next(&mut self) -> Result<Event, Error> {
        loop {
            // What lies in the inbox may end in an echo that was sent since, and would vouch for
            // slots that this one has never heard of.
            if self.lane.has_changed(&self.state.client.servers) {
                return Err(ended(MOVED));
            }
            match self.inbox.take() {
                Some(Some(event)) => return Ok(event),
                Some(None) => return Err(ended("the connection was lost, or too far behind")),
                None => {}
            }
            // Each of these may be dropped and waited for again.
            tokio::select! {
                () = self.inbox.arrived.notified() => {}
                () = self.driver.lost() => lock(&self.inbox.received).is_over = true,
                () = self.lane.changed(&self.state.client.servers) => {
                    return Err(ended(MOVED));
                }
                () = self.lane.primary.link.replaced(self.number) => {
                    return Err(ended("the primary is another server now"));
                }
            }
        }
    }
}

const MOVED: &str = "slots have come to it or left it";

impl Listened {
    /// Whether the primary does not own just that any more.
    fn has_changed(&self, servers: &Servers) -> bool {
        match (servers, &self.owned) {
            (Servers::Cluster(cluster), Some(owned)) => {
                cluster.has_changed_for(self.primary.lane, owned)
            }
            _ => false,
        }
    }

    /// Returns when the primary does not own just that any more.
    async fn changed(&self, servers: &Servers) {
        match (servers, &self.owned) {
            (Servers::Cluster(cluster), Some(owned)) => {
                cluster.changed_for(self.primary.lane, owned).await;
            }
            _ => std::future::pending().await,
        }
    }
}

fn ended(reason: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the subscription has ended: {reason}"))
        .during("next event")
}

impl fmt::Debug for RedisBackplane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackplane").field("servers", &self.state.client.servers).finish()
    }
}

impl fmt::Debug for RedisSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSubscription")
            .field("primary", &self.lane.primary)
            .field("at", &format_args!("{}", self.at))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_relied_on_only_while_its_slots_stay() {
        let owned = Owned::parse("0 0 1 connected 0-5460".split(' ')).unwrap();
        let line = |rest: &str| format!("id :1@2 myself,master - 0 0 1 connected {rest}");
        let owns = |rest: &str| owns_just(line(rest).as_bytes(), Some("id"), &owned);
        assert!(owns("0-5460"));
        assert!(owns("0-5460 [93-<-other]"), "what arrives is not yet its own");
        assert!(!owns("0-5460 [93->-other]"));
        assert!(!owns("0-5461"));
        assert!(!owns("1-5460"));
        assert!(!owns(""));
        let later = line("0-5460").replace(" 1 connected", " 2 connected");
        assert!(!owns_just(later.as_bytes(), Some("id"), &owned), "they left and came back");
        assert!(!owns_just(line("0-5460").as_bytes(), Some("other"), &owned));
        assert!(!owns_just(b"\xff", Some("id"), &owned));
    }

    #[test]
    fn an_epoch_is_a_number_or_what_somebody_wrote() {
        assert_eq!(epoch_of(b"00000000000000ff"), Epoch(255));
        assert_ne!(epoch_of(b"reset"), epoch_of(b"reset again"));
    }

    #[test]
    fn a_heartbeat_is_three_numbers_of_a_node() {
        let heartbeat = heartbeat_of(b"00000000000000ff", b"7:6:23").unwrap();
        let (node, order) = (NodeId(255), Order(23));
        assert_eq!(heartbeat, Heartbeat { node, sent: 7, handled: 6, order });
        assert_eq!(heartbeat_of(b"order", b"23"), None);
        assert_eq!(heartbeat_of(b"swept", b"20:1700000000"), None);
        assert_eq!(heartbeat_of(b"ff", b"7:6"), None);
    }

    #[test]
    fn who_is_too_far_behind_hears_no_more() {
        let inbox = Inbox::new("changes".into());
        let message = |channel: &str, text: &[u8]| PushInfo {
            kind: PushKind::Message,
            data: vec![Value::BulkString(channel.into()), Value::BulkString(text.into())],
        };
        inbox.receive(message("changes", b"garbage"));
        assert_eq!(inbox.take(), Some(Some(Event::Unintelligible)), "garbage is told as such");
        for _ in 0..=BACKLOG {
            inbox.receive(message("echo", b"1"));
        }
        for _ in 0..BACKLOG {
            assert_eq!(inbox.take(), Some(Some(Event::Echo(1))));
        }
        inbox.receive(message("echo", b"2"));
        assert_eq!(inbox.take(), Some(None));
    }
}

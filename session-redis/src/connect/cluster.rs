//! Who owns which slot of a Cluster.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;
use session_core::{Error, Lane, Partition};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::asking::first_answers;
use super::connector::{Connector, ask};
use super::link::{Link, Source};
use super::nodes::{self, Node, Owned, Role};
use super::servers::Primary;
use crate::background::Background;
use crate::error::Failure;
use crate::slot::{Slot, hex};
use crate::sync::lock;
use crate::topology::Endpoint;

/// A Cluster, whose map of slots is refreshed when a node contradicts it, and every few seconds.
pub(crate) struct Cluster {
    shared: Arc<Shared>,
    refresher: Background,
}

struct Shared {
    seeds: Vec<Endpoint>,
    connector: Arc<Connector>,
    map: watch::Sender<State>,
    contradicted: Notify,
    members: Mutex<Members>,
}

#[derive(Clone)]
enum State {
    /// Nobody has answered yet.
    Unknown,
    Known(Arc<SlotMap>),
    /// Nobody answers, and nobody ever has.
    Failed(Failure),
}

impl State {
    /// Whether the primary of a lane is known to own something else than this.
    fn has_changed_for(&self, lane: Lane, owned: &Owned) -> bool {
        match self {
            Self::Known(map) => map.owner_of_lane(lane).is_none_or(|now| now.owned != *owned),
            Self::Unknown | Self::Failed(_) => false,
        }
    }
}

/// Everybody met so far. A node that comes back finds its lane and its link.
#[derive(Default)]
struct Members {
    primaries: HashMap<(String, Endpoint), Arc<Primary>>,
    lanes: HashMap<String, Lane>,
    replicas: HashMap<Endpoint, Arc<Link>>,
}

/// Which primary owns which slot.
pub(crate) struct SlotMap {
    owners: Box<[Option<u16>]>,
    primaries: Vec<Owner>,
}

/// A primary, and what it owns.
pub(crate) struct Owner {
    pub(crate) primary: Arc<Primary>,
    pub(crate) owned: Owned,
    /// A hash tag in one of its slots, the same for every node that sees these slots.
    pub(crate) tag: Option<[u8; 4]>,
    aliases: Vec<Endpoint>,
    replicas: Vec<Endpoint>,
}

/// How often to look without a reason.
const REFRESH: Duration = Duration::from_secs(2);
/// How often to look at most, after something has changed.
const PAUSE: Duration = Duration::from_millis(25);
/// How often to look at most while nothing changes, however often the map is contradicted.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// How long to wait, after the first answer, for one that may know better.
const GRACE: Duration = Duration::from_millis(20);
/// How many nodes to ask at a time.
const ASKED: usize = 3;

impl Cluster {
    pub(crate) fn new(seeds: Vec<Endpoint>, connector: Arc<Connector>) -> Self {
        let shared = Shared {
            seeds,
            connector,
            map: watch::Sender::new(State::Unknown),
            contradicted: Notify::new(),
            members: Mutex::default(),
        };
        Self { shared: Arc::new(shared), refresher: Background::default() }
    }

    /// The owner of a slot.
    pub(crate) async fn primary(&self, slot: Slot) -> Result<Arc<Primary>, Error> {
        let primary = self.map().await?.primary(slot);
        primary.inspect_err(|_| self.contradict())
    }

    /// The map; waits for the first one.
    pub(crate) async fn map(&self) -> Result<Arc<SlotMap>, Error> {
        match self.known() {
            Some(map) => Ok(map),
            None => self.changed_from(None).await,
        }
    }

    /// The map, if there is one.
    pub(crate) fn known(&self) -> Option<Arc<SlotMap>> {
        self.keep_refreshed();
        match &*self.shared.map.borrow() {
            State::Known(map) => Some(Arc::clone(map)),
            State::Unknown | State::Failed(_) => None,
        }
    }

    /// A map other than `old`: waits for one.
    pub(crate) async fn changed_from(
        &self,
        old: Option<&Arc<SlotMap>>,
    ) -> Result<Arc<SlotMap>, Error> {
        let mut maps = self.shared.map.subscribe();
        loop {
            self.keep_refreshed();
            match &*maps.borrow_and_update() {
                State::Known(map) if !old.is_some_and(|old| Arc::ptr_eq(old, map)) => {
                    return Ok(Arc::clone(map));
                }
                State::Failed(failure) => return Err(failure.clone().into()),
                State::Known(_) | State::Unknown => {}
            }
            if maps.changed().await.is_err() {
                return Err(Failure::unavailable("the store is closed").into());
            }
        }
    }

    /// Returns when a primary does not own just this any more.
    pub(crate) async fn changed_for(&self, lane: Lane, owned: &Owned) {
        let mut maps = self.shared.map.subscribe();
        // The sender is in `self`, and so still there.
        let _ = maps.wait_for(|state| state.has_changed_for(lane, owned)).await;
    }

    /// Whether it does not.
    pub(crate) fn has_changed_for(&self, lane: Lane, owned: &Owned) -> bool {
        self.shared.map.borrow().has_changed_for(lane, owned)
    }

    /// The map seems to be wrong: look again.
    pub(crate) fn contradict(&self) {
        self.shared.contradicted.notify_one();
    }

    /// The primary at this address, where a node has sent us. Waits for a new map if the current
    /// one does not have it.
    pub(crate) async fn primary_at(&self, endpoint: &Endpoint) -> Result<Arc<Primary>, Error> {
        let mut map = self.known();
        loop {
            self.contradict();
            if let Some(found) = map.as_ref().and_then(|map| map.at(endpoint)) {
                return Ok(found);
            }
            map = Some(self.changed_from(map.as_ref()).await?);
        }
    }

    pub(crate) fn replica(&self, slot: Slot) -> Option<Arc<Link>> {
        let map = self.known()?;
        let endpoint = fastrand::choice(&map.owner(slot)?.replicas)?;
        let mut members = lock(&self.shared.members);
        let link = members.replicas.entry(endpoint.clone()).or_insert_with(|| {
            let source = Source::ClusterReplica(endpoint.clone());
            Arc::new(Link::new(source, Arc::clone(&self.shared.connector)))
        });
        Some(Arc::clone(link))
    }

    fn keep_refreshed(&self) {
        self.refresher.ensure_running(|| {
            let [kept, left] = [Arc::clone(&self.shared), Arc::clone(&self.shared)];
            // Whoever waits for a map starts another one.
            let ended = move || left.map.send_modify(|_| {});
            (async move { kept.keep_refreshing().await }, ended)
        });
    }
}

impl Shared {
    async fn keep_refreshing(&self) {
        let mut pause = PAUSE;
        loop {
            let has_changed = match self.look().await {
                Ok(nodes) => self.publish(self.map_of(&nodes)),
                Err(failure) => {
                    tracing::debug!(?failure, "no node of the Cluster answers");
                    self.map.send_if_modified(|state| {
                        let is_first = !matches!(state, State::Known(_));
                        if is_first {
                            *state = State::Failed(failure);
                        }
                        is_first
                    });
                    self.contradicted.notify_one();
                    false
                }
            };
            pause = if has_changed { PAUSE } else { LONGEST_PAUSE.min(pause * 2) };
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            tokio::select! {
                () = self.contradicted.notified() => {}
                () = sleep(REFRESH.mul_f64(0.5 + fastrand::f64())) => pause = PAUSE,
            }
        }
    }

    /// What the best informed of a few nodes knows. One that has left the Cluster, or is cut off
    /// from it, may be the first to answer.
    async fn look(&self) -> Result<Vec<Node>, Failure> {
        let mut candidates = self.candidates();
        fastrand::shuffle(&mut candidates);
        // Those that a connection is open to first.
        candidates.sort_by_key(|candidate| candidate.1.is_none());
        let mut failure = Failure::unavailable("the Cluster has no node to ask");
        for some in candidates.chunks(ASKED) {
            let asked = some.iter().map(|(endpoint, open)| self.ask(endpoint, open.clone()));
            let newest = |nodes: &Vec<Node>| nodes.iter().map(|node| node.owned.epoch).max();
            failure = match first_answers(asked, GRACE, failure).await {
                Ok(answers) => {
                    return Ok(answers.into_iter().max_by_key(newest).unwrap_or_default());
                }
                Err(error) => error,
            };
        }
        Err(failure)
    }

    fn candidates(&self) -> Vec<(Endpoint, Option<MultiplexedConnection>)> {
        let map = match &*self.map.borrow() {
            State::Known(map) => Some(Arc::clone(map)),
            State::Unknown | State::Failed(_) => None,
        };
        let known = map.iter().flat_map(|map| &map.primaries).filter_map(|owner| {
            let open = owner.primary.link.current().map(|connection| connection.multiplexed);
            Some((owner.primary.endpoint()?.clone(), open))
        });
        known.chain(self.seeds.iter().map(|seed| (seed.clone(), None))).collect()
    }

    async fn ask(
        &self,
        endpoint: &Endpoint,
        open: Option<MultiplexedConnection>,
    ) -> Result<Vec<Node>, Failure> {
        let (mut connection, _driver) = match open {
            Some(connection) => (connection, None),
            None => {
                let (connection, driver) = self.connector.open(endpoint).await?;
                (connection, Some(driver))
            }
        };
        let mut command = redis::cmd("CLUSTER");
        let answer = timeout(self.connector.timeout, ask(&mut connection, command.arg("NODES")));
        let answer = answer
            .await
            .map_err(|_| Failure::timeout("a node of the Cluster does not answer"))??;
        let text = match &answer {
            Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
            Value::VerbatimString { text, .. } => Some(text.as_str()),
            _ => None,
        };
        let nodes = text.and_then(|text| nodes::parse(text, endpoint));
        let nodes = nodes.ok_or_else(Failure::strange_reply)?;
        if nodes.iter().all(|node| node.owned.slots.is_empty()) {
            return Err(Failure::unavailable("the node belongs to no Cluster that has slots"));
        }
        Ok(nodes)
    }

    /// Publishes a map that says something new, and whether it does. One that says the same is
    /// not worth waking anybody for.
    fn publish(&self, map: SlotMap) -> bool {
        self.map.send_if_modified(|state| {
            if let State::Known(old) = state
                && old.says_the_same_as(&map)
            {
                return false;
            }
            tracing::info!(primaries = map.primaries.len(), "the Cluster's map of slots");
            *state = State::Known(Arc::new(map));
            true
        })
    }

    fn map_of(&self, nodes: &[Node]) -> SlotMap {
        let mut members = lock(&self.members);
        let is_serving = |node: &&Node| {
            node.role == Role::Primary && !(node.is_failed && node.owned.slots.is_empty())
        };
        let mut owners = vec![None; usize::from(Slot::COUNT)].into_boxed_slice();
        let mut primaries: Vec<Owner> = Vec::new();
        for node in nodes.iter().filter(is_serving) {
            for slot in node.owned.slots.iter() {
                owners[slot.index()] = Some(primaries.len() as u16);
            }
            let replicas = nodes.iter().filter(|other| {
                !other.is_failed
                    && matches!(&other.role, Role::ReplicaOf(primary) if *primary == node.id)
            });
            let owner = Owner {
                primary: members.primary(node, self.endpoint(node), &self.connector),
                owned: node.owned.clone(),
                tag: None,
                aliases: node.endpoints.clone(),
                replicas: replicas.map(|replica| self.endpoint(replica).clone()).collect(),
            };
            primaries.push(owner);
        }
        members.forget_all_but(&primaries);
        let mut missing = primaries.len();
        for partition in (0..=u16::MAX).map(|number| Partition::new(number.to_be_bytes())) {
            let owner = owners[Slot::of_partition(partition).index()];
            let Some(owner) = owner.map(|index| &mut primaries[usize::from(index)]) else {
                continue;
            };
            if owner.tag.is_none() {
                owner.tag = Some(hex(partition));
                missing -= 1;
                if missing == 0 {
                    break;
                }
            }
        }
        SlotMap { owners, primaries }
    }

    /// The address of a node; with TLS its name, if it has one, since that is what certificates
    /// are for.
    fn endpoint<'a>(&self, node: &'a Node) -> &'a Endpoint {
        #[cfg(feature = "tls")]
        if self.connector.tls.is_some() {
            return &node.endpoints[node.endpoints.len() - 1];
        }
        &node.endpoints[0]
    }
}

impl Members {
    fn primary(
        &mut self,
        node: &Node,
        endpoint: &Endpoint,
        connector: &Arc<Connector>,
    ) -> Arc<Primary> {
        let next = Lane(self.lanes.len() as u16);
        let lane = *self.lanes.entry(node.id.clone()).or_insert(next);
        let primary = self.primaries.entry((node.id.clone(), endpoint.clone()));
        let primary = primary.or_insert_with(|| {
            let source = Source::Primary(endpoint.clone());
            let id = Some(node.id.as_str().into());
            Arc::new(Primary::new(lane, id, source, Arc::clone(connector)))
        });
        Arc::clone(primary)
    }

    /// Lets go of the links to servers that are in the Cluster no longer.
    fn forget_all_but(&mut self, primaries: &[Owner]) {
        self.primaries
            .retain(|_, known| primaries.iter().any(|owner| Arc::ptr_eq(&owner.primary, known)));
        self.replicas
            .retain(|endpoint, _| primaries.iter().any(|owner| owner.replicas.contains(endpoint)));
    }
}

impl SlotMap {
    fn primary(&self, slot: Slot) -> Result<Arc<Primary>, Error> {
        let owner = self.owner(slot).ok_or_else(|| {
            Error::from(Failure::unavailable("no node of the Cluster serves this slot"))
        })?;
        Ok(Arc::clone(&owner.primary))
    }

    pub(crate) fn owner(&self, slot: Slot) -> Option<&Owner> {
        self.owners[slot.index()].map(|index| &self.primaries[usize::from(index)])
    }

    pub(crate) fn owner_of_lane(&self, lane: Lane) -> Option<&Owner> {
        self.primaries.iter().find(|owner| owner.primary.lane == lane)
    }

    pub(crate) fn primaries(&self) -> &[Owner] {
        &self.primaries
    }

    fn at(&self, endpoint: &Endpoint) -> Option<Arc<Primary>> {
        let owner = self.primaries.iter().find(|owner| owner.aliases.contains(endpoint))?;
        Some(Arc::clone(&owner.primary))
    }

    fn says_the_same_as(&self, other: &Self) -> bool {
        self.primaries.len() == other.primaries.len()
            && self.primaries.iter().zip(&other.primaries).all(|(one, two)| {
                Arc::ptr_eq(&one.primary, &two.primary)
                    && one.owned == two.owned
                    && one.replicas == two.replicas
            })
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.shared.map.borrow() {
            State::Unknown => f.write_str("Cluster(not asked yet)"),
            State::Failed(failure) => write!(f, "Cluster({failure:?})"),
            State::Known(map) => {
                let primaries = map.primaries.iter().map(|owner| &owner.primary);
                f.debug_list().entries(primaries).finish()
            }
        }
    }
}

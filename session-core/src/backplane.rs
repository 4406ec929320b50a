//! How a store tells other nodes that something has changed.

use std::fmt;

use async_trait::async_trait;

use crate::error::Error;
use crate::key::Key;
use crate::record::Revision;

/// Announces the changes of a store to caches on every node.
///
/// # Contract
///
/// A store announces on one or several **lanes**: one for each primary that executes writes. On a
/// lane there is one order of events: that in which the primary executed them.
///
/// - Every create, replace, rotate and delete is announced in the same atomic step as the write,
///   a delete even if there was nothing to delete. A touch is not announced.
/// - A [`Subscription`] yields, in order and without gaps, every event executed after
///   [`subscribe`](Backplane::subscribe) returned, or it ends.
/// - An [`echo`](Backplane::echo) is a *write* on the lane's primary, so a server that may no
///   longer write cannot answer one, and comes back through the subscription behind
///   everything executed before it. Who has handled an echo, and whose [`echo`](Backplane::echo) call
///   has returned `Ok`, has seen every change that was acknowledged before the echo was sent. This
///   is what staleness bounds are built on.
/// - The same write leaves the node's [`Heartbeat`], which [`nodes`](Backplane::nodes) tells for
///   two minutes at least. As long as the epoch lasts none is lost, its numbers never fall, and
///   its [`Order`] rises with every echo on the lane. Who has waited for a node to handle an
///   echo later than all that were executed before, has waited for it to see every change
///   acknowledged until then.
/// - A [`nudge`](Backplane::nudge) is heard by every subscription of the lane, in its place among
///   the other events.
/// - A subscription ends, too, when its lane may not be what it was: another server executes the
///   writes, or keys have come to it or left it. What is known of a key holds for the lane it had
///   when it was read.
///
/// The conformance clauses are `backplane_announces_changes`, `backplane_announces_deletes`,
/// `backplane_echo_comes_last` and `backplane_tells_of_nodes`.
#[async_trait]
pub trait Backplane: fmt::Debug + Send + Sync + 'static {
    /// The lanes there are at the moment. They change when primaries come and go: who needs all
    /// of them asks again from time to time, and when a subscription has ended.
    ///
    /// # Errors
    ///
    /// If no server has told yet which there are.
    async fn lanes(&self) -> Result<Vec<Lane>, Error>;

    /// The lane on which changes of `key` are announced at the moment. `None` if that is not
    /// known: then nothing can be said about the key.
    fn lane_of(&self, key: &Key) -> Option<Lane>;

    /// Starts listening on a lane, to announcements and to the echoes of `node`.
    async fn subscribe(&self, lane: Lane, node: NodeId) -> Result<Box<dyn Subscription>, Error>;

    /// Sends an echo to the subscription of `node`, and reads the namespace's epoch on the way.
    ///
    /// A node gives its echoes numbers that rise for as long as it lives. `handled` is that of the
    /// latest one that it relies on: back and handled, with everything before it, when this call
    /// began; 0 if there is none. An echo that is executed late lowers neither number.
    async fn echo(
        &self,
        lane: Lane,
        node: NodeId,
        number: u64,
        handled: u64,
    ) -> Result<Echoed, Error>;

    /// Asks every node that listens to the lane to send an echo, and another one when that is
    /// handled, which tells so.
    async fn nudge(&self, lane: Lane) -> Result<(), Error>;

    /// Who has sent an echo lately, as the lane's primary knows it.
    async fn nodes(&self, lane: Lane) -> Result<Vec<Heartbeat>, Error>;
}

/// A stream of events from one lane.
#[async_trait]
pub trait Subscription: fmt::Debug + Send {
    /// The next event. Cancelling the call loses none.
    ///
    /// # Errors
    ///
    /// The subscription has ended: events may have been lost, and none will follow.
    async fn next(&mut self) -> Result<Event, Error>;
}

/// One of the primaries of a store, by a number that no other one gets in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(pub u16);

/// A node that listens, by a number drawn at random when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub u64);

/// Which life of the stored data this is. Another value means that everything known from before
/// is worthless: the store was flushed, restored or swapped, or an operator said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

/// The place of an echo among all that a lane's primary has executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order(pub u64);

/// What an echo's call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echoed {
    /// That of the data.
    pub epoch: Epoch,
    /// The place of this echo.
    pub order: Order,
}

/// What is known of a node on a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Whose it is.
    pub node: NodeId,
    /// The highest number of its echoes that were executed.
    pub sent: u64,
    /// The highest number that it has told to be handled.
    pub handled: u64,
    /// The place of its latest echo.
    pub order: Order,
}

/// What comes through a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A session has changed.
    Changed(Key, Change),
    /// The echo of that number is back.
    Echo(u64),
    /// Somebody waits for this node to tell what it has handled.
    Nudge,
    /// Something that is neither: garbage, or of a version that this process does not know. To be
    /// counted and passed over.
    Unintelligible,
}

/// What became of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is at this revision now.
    Revision(Revision),
    /// It is gone, for good.
    Removed,
}

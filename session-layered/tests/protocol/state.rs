//! What there is at a moment: a store, nodes, and what is under way between them.
//!
//! Time and counters are relative, so that histories without end have finitely many states: a
//! lease is what is left of it, a flight or an echo has an age, and whoever remembers a generation
//! or a subscription number remembers no more than whether it has moved since.

/// A key of the one stripe there is: 0, or 1.
pub(crate) type KeyIndex = usize;

/// One after the other: the states of a key in the order in which the store had them. Nodes do not
/// see it; it is what their answers are judged by.
pub(crate) type Order = u8;

/// At most two of a kind are under way on a node.
pub(crate) type Slots<T> = [Option<T>; 2];

/// All there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) nodes: Vec<Node>,
    /// A promise that was just broken. Nothing happens after that.
    pub(crate) broken: Option<Broken>,
}

/// The shared store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    pub(crate) keys: [Version; 2],
    pub(crate) epoch: u8,
    /// By key and ticks: the latest change acknowledged at least so many ticks ago.
    pub(crate) acknowledged: [[Order; 3]; 2],
}

/// A state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Version {
    pub(crate) order: Order,
    /// What nodes see of it. None if it is gone; it begins at 1 again when it is written again.
    pub(crate) revision: Option<u8>,
}

/// How a key changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Change {
    Write,
    Remove,
}

/// A process with a cache.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node {
    pub(crate) connection: Connection,
    pub(crate) subscriber: Subscriber,
    /// What the store sent to the subscriber that it has not handled.
    pub(crate) queue: Vec<Message>,
    /// The ticks until the lease ends.
    pub(crate) lease: u8,
    /// The epoch it knows.
    pub(crate) epoch: u8,
    pub(crate) entries: [Option<Entry>; 2],
    pub(crate) flights: Slots<Flight>,
    pub(crate) writes: Slots<LocalWrite>,
    pub(crate) echoes: Slots<Echo>,
    pub(crate) serve: Option<Serve>,
    /// By key: the latest change that the node itself was acknowledged.
    pub(crate) own: [Order; 2],
}

/// The connection over which the store sends to the subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Connection {
    /// The store sends what it executes.
    Up,
    /// The store sends nothing any more. The node does not know, and may still have to handle what
    /// was sent before.
    Cut,
}

/// The task that handles what the store sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Subscriber {
    /// It handles one message after the other.
    Listens,
    /// It has a new subscription, and has yet to move the subscription number.
    IsNew,
}

/// What comes through a subscription, in the order in which the store executed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Message {
    Announcement { key: KeyIndex, revision: Option<u8> },
    Echo { slot: usize },
}

/// What somebody who remembers a counter finds when he reads it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Counter {
    Same,
    Moved,
}

/// A record in the L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entry {
    pub(crate) version: Version,
    /// The subscription number it is labelled with.
    pub(crate) number: Counter,
}

/// A load whose answer is to be inserted, and which others may join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Flight {
    pub(crate) key: KeyIndex,
    /// What the store answered, once it has executed the load.
    pub(crate) value: Option<Version>,
    pub(crate) generation: Counter,
    pub(crate) number: Counter,
    /// Ticks since its ticket was taken, up to D.
    pub(crate) age: u8,
}

/// A local write or removal, registered until its outcome is known or lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LocalWrite {
    pub(crate) key: KeyIndex,
    pub(crate) change: Change,
    /// What the store made of it, once it has executed it.
    pub(crate) executed: Option<Version>,
    pub(crate) seen: Seen,
    pub(crate) number: Counter,
}

/// The latest state of its key that a registered write was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Seen {
    Nothing,
    Revision(u8),
    Removed,
}

/// An echo on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Echo {
    /// Ticks since it was sent, up to D.
    pub(crate) age: u8,
    /// The epoch that the store answered, once it has executed the echo.
    pub(crate) epoch: Option<u8>,
    /// The node has the reply to its call.
    pub(crate) answered: bool,
    /// The subscriber has come to it.
    pub(crate) handled: bool,
}

/// A thread that read an entry and is about to serve it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Serve {
    pub(crate) key: KeyIndex,
    pub(crate) entry: Entry,
    pub(crate) generation: Counter,
    /// What is left of the lease it read, once it has.
    pub(crate) lease: Option<u8>,
    /// It has read the subscription number, and that was the entry's.
    pub(crate) labelled: bool,
}

/// A promise that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Broken {
    pub(crate) promise: Promise,
    /// What was answered.
    pub(crate) version: Version,
}

/// What is promised of an answer that does not come from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Promise {
    /// It is not older than a change that was acknowledged D ago or earlier.
    Bounded,
    /// It is not older than a change that was acknowledged to this node.
    OwnChanges,
}

impl State {
    /// The key, or both keys, at revision 1, and nothing cached.
    pub(crate) fn initial(nodes: usize) -> Self {
        let node = Node {
            connection: Connection::Up,
            subscriber: Subscriber::Listens,
            queue: Vec::new(),
            lease: 0,
            epoch: 0,
            entries: [None; 2],
            flights: [None; 2],
            writes: [None; 2],
            echoes: [None; 2],
            serve: None,
            own: [0; 2],
        };
        let store = Store {
            keys: [Version { order: 0, revision: Some(1) }; 2],
            epoch: 0,
            acknowledged: [[0; 3]; 2],
        };
        Self { store, nodes: vec![node; nodes], broken: None }
    }
}

impl Seen {
    /// What is told by a change to `revision`, or by a removal.
    pub(crate) fn of(revision: Option<u8>) -> Self {
        revision.map_or(Self::Removed, Self::Revision)
    }
}

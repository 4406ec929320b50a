//! What can go wrong with connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What goes wrong with the connections through a [`Proxy`](super::Proxy).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody listens: new connections are refused, and existing ones are reset.
    Refuse,
    /// Existing connections are reset, and so are new ones as soon as they are accepted.
    Reset,
    /// What is sent in a direction does not arrive, and neither does the news that a side has
    /// closed the connection or is gone. It all arrives once this is over.
    Blackhole(Direction),
    /// What is sent in either direction arrives later by this time, in order.
    Delay(Duration),
    /// Every connection is closed when this many more bytes have gone to its client. With zero,
    /// that is when the first of them comes: the request was carried out, and nobody knows.
    CutAfter(u64),
    /// What the server sends arrives byte by byte, each in a segment of its own, this much time
    /// after the one before. With zero, as fast as that is possible.
    Drip(Duration),
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server: requests.
    ToServer,
    /// From the server to the client: replies.
    ToClient,
    /// Either.
    Both,
}

impl Fault {
    /// Whether it leaves no connection open.
    pub(super) fn severs(self) -> bool {
        matches!(self, Self::Refuse | Self::Reset)
    }
}

impl Direction {
    pub(super) fn covers(self, direction: Self) -> bool {
        self == Self::Both || self == direction
    }
}

/// What holds at the moment. Whoever acts by it looks at it while it cannot change.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) fault: Option<Fault>,
    /// The connections that it concerns, by where the server sees them come from. `None`: all.
    pub(super) only: Option<Arc<[SocketAddr]>>,
    /// How often it has been changed.
    pub(super) generation: u64,
}

impl State {
    pub(super) fn severs(&self) -> bool {
        self.fault.is_some_and(Fault::severs)
    }

    /// What goes wrong with the connection that the server sees come from `seen_as`.
    pub(super) fn fault_of(&self, seen_as: SocketAddr) -> Option<Fault> {
        let is_concerned = self.only.as_ref().is_none_or(|only| only.contains(&seen_as));
        self.fault.filter(|_| is_concerned)
    }
}

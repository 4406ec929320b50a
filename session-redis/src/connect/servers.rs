//! The servers of a topology, and which of them a key lies on.

use std::fmt;
use std::sync::{Arc, OnceLock};

use session_core::{Error, Lane};

use super::cluster::Cluster;
use super::connector::Connector;
use super::link::{Link, Source};
use super::sentinel::Sentinels;
use crate::slot::Slot;
use crate::topology::{Endpoint, ServerList};

/// Where calls go.
pub(crate) enum Servers {
    /// One server, or the master behind Sentinels.
    One { primary: Arc<Primary>, replica: Option<Arc<Link>> },
    /// The primaries of a Cluster.
    Cluster(Cluster),
}

/// A server that executes writes, or whichever is master behind Sentinels.
pub(crate) struct Primary {
    pub(crate) lane: Lane,
    /// What tells the channels of a Cluster's primaries apart; `None` where there is one.
    pub(crate) id: Option<Arc<str>>,
    pub(crate) link: Link,
    /// For calls after which `WAIT` holds up the connection.
    waiting: [OnceLock<Link>; LINES],
    source: Source,
    connector: Arc<Connector>,
}

/// How many connections to a primary may be held up at a time.
const LINES: usize = 8;

impl Servers {
    pub(crate) fn new(
        servers: ServerList,
        connector: Connector,
        sentinel_connector: Connector,
    ) -> Self {
        let connector = Arc::new(connector);
        let one = |source: Source| Primary::new(Lane(0), None, source, Arc::clone(&connector));
        match servers {
            ServerList::Single(endpoint) => {
                let primary = Arc::new(one(Source::Primary(endpoint)));
                Self::One { primary, replica: None }
            }
            ServerList::Sentinel { nodes, master } => {
                let sentinels = Arc::new(Sentinels::new(nodes, master, sentinel_connector));
                let primary = Arc::new(one(Source::Master(Arc::clone(&sentinels))));
                let replica = Link::new(Source::ReplicaOf(sentinels), Arc::clone(&connector));
                Self::One { primary, replica: Some(Arc::new(replica)) }
            }
            ServerList::Cluster { nodes } => Self::Cluster(Cluster::new(nodes, connector)),
        }
    }

    /// Who executes writes in this slot, as far as is known here.
    pub(crate) async fn primary(&self, slot: Slot) -> Result<Arc<Primary>, Error> {
        match self {
            Self::One { primary, .. } => Ok(Arc::clone(primary)),
            Self::Cluster(cluster) => cluster.primary(slot).await,
        }
    }

    /// A server that may answer reads in this slot and is no primary, if there is one. It may not
    /// be connected.
    pub(crate) fn replica(&self, slot: Slot) -> Option<Arc<Link>> {
        match self {
            Self::One { replica, .. } => replica.clone(),
            Self::Cluster(cluster) => cluster.replica(slot),
        }
    }
}

impl Primary {
    pub(crate) fn new(
        lane: Lane,
        id: Option<Arc<str>>,
        source: Source,
        connector: Arc<Connector>,
    ) -> Self {
        let link = Link::new(source.clone(), Arc::clone(&connector));
        Self { lane, id, link, waiting: Default::default(), source, connector }
    }

    /// A link whose calls may be held up by `WAIT`, for which everything behind it on the same
    /// connection waits: there are several such links.
    pub(crate) fn waiting(&self, line: usize) -> &Link {
        self.waiting[line % LINES]
            .get_or_init(|| Link::new(self.source.clone(), Arc::clone(&self.connector)))
    }

    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Where it is, if that is known without asking.
    pub(crate) fn endpoint(&self) -> Option<&Endpoint> {
        match &self.source {
            Source::Primary(endpoint) => Some(endpoint),
            Source::Master(_) | Source::ReplicaOf(_) | Source::ClusterReplica(_) => None,
        }
    }
}

impl fmt::Debug for Primary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lane, id, link, .. } = self;
        f.debug_struct("Primary")
            .field("lane", lane)
            .field("id", id)
            .field("link", link)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One { primary, .. } => f.debug_tuple("One").field(primary).finish(),
            Self::Cluster(cluster) => f.debug_tuple("Cluster").field(cluster).finish(),
        }
    }
}

//! Sessions that this node saw removed, in case the shared store forgets that it removed them.
//!
//! A server that replicates asynchronously may lose a removal at a failover, although it was
//! acknowledged. That is outside the staleness bound; this narrows it. Who remembers the removal
//! refuses the session when it comes back, and removes it again.

use std::fmt;
use std::time::Duration;

use moka::policy::EvictionPolicy;
use session_core::Key;

use crate::fill::Ticket;
use crate::lane::Subscribed;
use crate::node::Node;
use crate::stats::Count;

pub(crate) struct Tombstones(moka::sync::Cache<Key, Subscribed>);

impl Tombstones {
    /// About 10 MB at most.
    const MOST: u64 = 65_536;
    /// Longer than a failover takes.
    const KEPT: Duration = Duration::from_secs(60);

    pub(crate) fn new() -> Self {
        let tombstones = moka::sync::Cache::builder()
            .max_capacity(Self::MOST)
            .time_to_live(Self::KEPT)
            // The latest are the ones that a failover may have lost.
            .eviction_policy(EvictionPolicy::lru());
        Self(tombstones.build())
    }

    /// Remembers that a session was removed while this subscription told of changes.
    pub(crate) fn bury(&self, key: Key, under: Subscribed) {
        self.0.insert(key, under);
    }

    /// The same subscription tells of a later write: the key was given to a new session.
    pub(crate) fn created_again(&self, key: &Key, under: &Subscribed) {
        if self.0.contains_key(key) && self.0.get(key).is_some_and(|buried| buried.is_same(under)) {
            self.0.invalidate(key);
        }
    }

    /// This node has created a session with this key, or has found one although it heard of nothing
    /// since: that it was removed was not so.
    pub(crate) fn lift(&self, key: &Key) {
        if self.0.contains_key(key) {
            self.0.invalidate(key);
        }
    }
}

impl Node {
    /// Whether a session that was found is one that should be dead. As long as the subscription is
    /// the one that told of the removal, whoever has the key has got it since.
    pub(crate) fn is_risen(&self, key: &Key, ticket: &Ticket) -> bool {
        if !self.tombstones.0.contains_key(key) {
            return false;
        }
        match (self.tombstones.0.get(key), &ticket.under) {
            (Some(buried), Some(under)) => !buried.is_same(under),
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    pub(crate) async fn bury_again(&self, key: &Key) {
        self.counters.add(Count::Risen);
        tracing::warn!(?key, "a session that was removed has come back, and is removed again");
        if let Err(error) = self.store.delete(key).await {
            tracing::warn!(%error, ?key, "it could not be removed; it is refused all the same");
        }
    }
}

impl fmt::Debug for Tombstones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tombstones({})", self.0.entry_count())
    }
}

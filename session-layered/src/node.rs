//! A node: what the handles of a layered store share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use session_core::{Backplane, Change, Clock, Key, NodeId, Store};

use crate::cache::LocalCache;
use crate::defences::Defences;
use crate::lane::{Lanes, Subscribed};
use crate::stats::{Count, Counters};
use crate::stripe::Stripes;
use crate::tombstones::Tombstones;
use crate::touch_queue::TouchQueue;

pub(crate) struct Node {
    pub(crate) id: NodeId,
    /// The shared store.
    pub(crate) store: Arc<dyn Store>,
    pub(crate) backplane: Arc<dyn Backplane>,
    pub(crate) cache: LocalCache,
    pub(crate) stripes: Stripes,
    pub(crate) lanes: Lanes,
    pub(crate) touches: TouchQueue,
    pub(crate) tombstones: Tombstones,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_staleness: Duration,
    pub(crate) stale_if_error: Duration,
    pub(crate) counters: Counters,
    pub(crate) defences: Defences,
}

impl Node {
    /// Lets go of what a change has made old (rule 3). Whoever made the change, the writes of this
    /// node that are under way hear of it.
    pub(crate) fn invalidate(&self, key: &Key, change: Change) {
        let mut locked = self.stripes.of(key).lock();
        let is_being_written = locked.tell(key, change);
        let is_old = match change {
            // Most likely its own announcement: its acknowledgement brings another entry.
            Change::Revision(_) if is_being_written => self.cache.outdate(key, change),
            _ => self.cache.evict(key, change),
        };
        self.counters.add(if is_old { Count::Evicted } else { Count::Unneeded });
        locked.advance();
    }

    /// A change that the shared store announces.
    pub(crate) fn announced(&self, key: &Key, change: Change, under: &Subscribed) {
        if !self.defences.invalidation {
            return;
        }
        self.invalidate(key, change);
        match change {
            Change::Removed => self.tombstones.bury(*key, under.clone()),
            Change::Revision(_) => self.tombstones.created_again(key, under),
        }
    }

    /// The shared store has said that there is no such session, or not any more.
    pub(crate) fn gone(&self, key: &Key) {
        self.invalidate(key, Change::Removed);
    }

    /// What would tell of changes of this key.
    pub(crate) fn subscribed(&self, key: &Key) -> Option<Subscribed> {
        let lane = self.lanes.get(self.backplane.lane_of(key)?)?;
        let number = lane.subscription();
        (number > 0).then_some(Subscribed { lane, number })
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("store", &self.store)
            .field("cache", &self.cache)
            .field("lanes", &self.lanes)
            .field("max_staleness", &self.max_staleness)
            .finish_non_exhaustive()
    }
}

//! Writes of this node (rule 5).

use std::sync::Arc;

use session_core::{Change, Key, Record, Revision};

use crate::cache::Entry;
use crate::lane::Subscribed;
use crate::node::Node;
use crate::stats::Count;
use crate::stripe::outdates;

/// A write of one key, registered before it is sent. Dropped without an acknowledgement it leaves
/// nothing in the cache: if it has landed, its announcement is heard like any other.
pub(crate) struct LocalWrite<'a> {
    node: &'a Node,
    key: Key,
    id: u64,
    under: Option<Subscribed>,
}

impl Node {
    pub(crate) fn begin_write(&self, key: &Key) -> LocalWrite<'_> {
        let under = self.subscribed(key);
        let id = self.stripes.of(key).lock().register(*key);
        LocalWrite { node: self, key: *key, id, under }
    }

    /// The shared store has acknowledged that a session is no more, and that this node has ended
    /// it: a log-out, or the old key of a rotation.
    pub(crate) fn removed(&self, key: &Key) {
        let under = self.subscribed(key);
        self.touches.forget(key);
        self.gone(key);
        if let Some(under) = under {
            self.tombstones.bury(*key, under);
        }
    }
}

impl LocalWrite<'_> {
    /// The shared store has stored `record` at this revision. From now on this node serves nothing
    /// older. It keeps what it wrote unless somebody else's later change is known.
    pub(crate) fn acknowledged(self, revision: Revision, record: &Record) {
        let Self { node, key, id, ref under } = self;
        node.touches.forget(&key);
        node.tombstones.lift(&key);
        let mut locked = node.stripes.of(&key).lock();
        let seen = locked.finish(id);
        locked.tell(&key, Change::Revision(revision));
        node.cache.remove(&key);
        match under {
            // Its own announcement, which often comes before its reply, is no later one.
            Some(under) if !seen.is_some_and(|seen| outdates(seen, revision)) => {
                let record = Arc::new(Record { revision, ..record.clone() });
                node.cache.insert(key, Arc::new(Entry::new(record, under.clone())));
                node.counters.add(Count::Filled);
            }
            _ => node.counters.add(Count::FillRefused),
        }
        locked.advance();
    }
}

impl Drop for LocalWrite<'_> {
    fn drop(&mut self) {
        self.node.stripes.of(&self.key).lock().finish(self.id);
    }
}

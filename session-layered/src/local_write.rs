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
    /// older. It keeps what it wrote unless somebody's later change is known.
    pub(crate) fn acknowledged(self, revision: Revision, record: &Record) {
        self.keep(Change::Revision(revision), revision, record);
    }

    /// As [`acknowledged`](Self::acknowledged), of a session that is new. Whatever this node knows of
    /// the key, or is still writing to it, belongs to a session that has ended: revisions begin anew.
    pub(crate) fn created(self, revision: Revision, record: &Record) {
        self.node.tombstones.lift(&self.key);
        self.keep(Change::Removed, revision, record);
    }

    fn keep(self, before: Change, revision: Revision, record: &Record) {
        let Self { node, key, id, ref under } = self;
        node.touches.forget(&key);
        let mut locked = node.stripes.of(&key).lock();
        let seen = locked.finish(id);
        locked.tell(&key, before);
        // Its own announcement, which often comes before its reply, is no later one.
        let is_overtaken = seen.is_some_and(|seen| outdates(seen, revision));
        match under {
            Some(under) if !is_overtaken => {
                let record = Arc::new(Record { revision, ..record.clone() });
                node.cache.insert(key, Arc::new(Entry::new(record, under.clone())));
                node.counters.add(Count::Filled);
            }
            _ => {
                node.cache.evict(&key, before);
                node.counters.add(Count::FillRefused);
            }
        }
        locked.advance();
    }
}

impl Drop for LocalWrite<'_> {
    fn drop(&mut self) {
        self.node.stripes.of(&self.key).lock().finish(self.id);
    }
}

//! The store, as sessions see it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use session_core::{
    Backplane, Change, Consistency, Created, Error, Key, Load, Loaded, Qualities, Record, Replaced,
    Revision, Source, Store, SubjectIndex, Touch, Touched,
};

use crate::builder::LayeredBuilder;
use crate::flight::Landed;
use crate::keeper::Keeper;
use crate::node::Node;
use crate::stats::{Count, Stats};

mod fence;

/// A local cache in front of a shared store.
///
/// A clone is another handle of the same cache. See the [crate's documentation](crate) for what
/// holds and why.
#[derive(Clone)]
pub struct Layered {
    node: Arc<Node>,
    keeper: Arc<Keeper>,
}

impl Layered {
    /// A cache in front of `shared`, which must have a [backplane](Store::backplane).
    #[must_use = "nothing is built before `build`"]
    pub fn builder(shared: impl Store) -> LayeredBuilder {
        LayeredBuilder::new(Arc::new(shared))
    }

    /// As [`builder`](Layered::builder), for a store whose type is known only at run time.
    #[must_use = "nothing is built before `build`"]
    pub fn builder_shared(shared: Arc<dyn Store>) -> LayeredBuilder {
        LayeredBuilder::new(shared)
    }

    pub(crate) fn from_node(node: Arc<Node>) -> Self {
        let layered = Self { node, keeper: Arc::default() };
        // At once if there is a runtime, so that the first requests find a lease.
        layered.keeper.ensure_running(&layered.node);
        layered
    }

    /// What this node has counted, and how it is.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.node.stats()
    }

    /// The node, at work.
    fn at_work(&self) -> &Arc<Node> {
        self.keeper.ensure_running(&self.node);
        &self.node
    }
}

impl fmt::Debug for Layered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Layered").field(&self.node).finish()
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for Layered {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        let node = self.at_work();
        let loaded = match load.consistency {
            Consistency::Strong => {
                node.counters.add(Count::Strong);
                node.ask(key).await
            }
            _ => match node.serve(key) {
                Ok(entry) => {
                    node.count_hit(key);
                    return Ok(answer(&entry.record, Source::Local, load.known));
                }
                Err(reason) => {
                    node.counters.add(reason);
                    // What a replica says is good enough for the caller, and not for the cache.
                    if load.consistency == Consistency::Replica {
                        return node.store.load(key, load).await;
                    }
                    return node.read(key, load.known).await;
                }
            },
        };
        Ok(loaded?.map_or(Loaded::Absent, |record| answer(&record, Source::Shared, load.known)))
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        let node = self.at_work();
        let write = node.begin_write(key);
        let created = node.store.create(key, record).await?;
        if let Created::Created(revision) = created {
            write.created(revision, record);
        }
        Ok(created)
    }

    async fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        let node = self.at_work();
        node.settle(key).await;
        let write = node.begin_write(key);
        let replaced = node.store.replace(key, record, expected).await?;
        match &replaced {
            Replaced::Replaced(revision) => write.acknowledged(*revision, record),
            refused => node.refused(key, refused),
        }
        Ok(replaced)
    }

    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        let node = self.at_work();
        node.settle(from).await;
        let write = node.begin_write(to);
        let rotated = node.store.rotate(from, to, record, expected).await;
        // Nobody knows which of the two is alive. It is not this node's cache that says so.
        let rotated = rotated.inspect_err(|_| node.gone(from))?;
        match &rotated {
            Replaced::Replaced(revision) => {
                node.removed(from);
                write.created(*revision, record);
            }
            refused => node.refused(from, refused),
        }
        Ok(rotated)
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        let node = self.at_work();
        let is_put_off: Vec<bool> = touches.iter().map(|touch| node.put_off(touch)).collect();
        let at_once: Vec<Touch> = touches
            .iter()
            .zip(&is_put_off)
            .filter_map(|(touch, is_put_off)| (!is_put_off).then_some(*touch))
            .collect();
        let mut answers = match at_once.as_slice() {
            [] => Vec::new(),
            at_once => node.touch_at_once(at_once).await?,
        }
        .into_iter();
        let answer = |is_put_off| if is_put_off { Some(Touched::Done) } else { answers.next() };
        Ok(is_put_off.into_iter().map_while(answer).collect())
    }

    async fn delete(&self, key: &Key) -> Result<bool, Error> {
        let node = self.at_work();
        let deleted = node.store.delete(key).await;
        match &deleted {
            Ok(_) => node.removed(key),
            // Nobody knows whether it is dead. It is not this node's cache that says it lives.
            Err(_) => node.gone(key),
        }
        deleted
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, Error> {
        self.at_work().store.purge_expired(limit).await
    }

    /// As soon as every node that may serve has confirmed that it knows, and when the leases of
    /// those that have not must have run out at the latest.
    async fn fence(&self) -> Result<(), Error> {
        let node = self.at_work();
        node.wait_for_all().await;
        node.store.fence().await
    }

    async fn flush(&self) -> Result<(), Error> {
        let node = self.at_work();
        node.flush_touches().await?;
        node.store.flush().await
    }

    /// Those of the shared store: a list is never cached.
    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        self.node.store.subjects()
    }

    fn backplane(&self) -> Option<Arc<dyn Backplane>> {
        Some(Arc::clone(&self.node.backplane))
    }

    fn qualities(&self) -> Qualities {
        self.node.store.qualities()
    }
}

impl Node {
    /// Reads what the cache did not answer.
    async fn read(self: &Arc<Self>, key: &Key, known: Option<Revision>) -> Result<Loaded, Error> {
        self.settle(key).await;
        let error = match self.read_through(key).await {
            Ok(Some(record)) => return Ok(answer(&record, Source::Shared, known)),
            Ok(None) => return Ok(Loaded::Absent),
            Err(error) => error,
        };
        // Only an outage is a reason; a session that cannot be read is none.
        if !error.is_outcome_unknown() {
            return Err(error);
        }
        let Some(entry) = self.serve_stale(key) else { return Err(error) };
        self.counters.add(Count::Stale);
        Ok(answer(&entry.record, Source::Local, known))
    }

    /// Asks the shared store itself, for no more than it has to tell.
    async fn ask(&self, key: &Key) -> Landed {
        self.settle(key).await;
        let ticket = self.ticket(key);
        // As long as changes are heard of, a revision stands for what is in it.
        let held = self.serve(key).ok();
        let mut load = Load::default().consistency(Consistency::Strong);
        if let Some(entry) = &held {
            load = load.known(entry.record.revision);
        }
        let loaded = self.store.load(key, load).await?;
        self.land(key, &ticket, held, loaded).await
    }

    /// A write was refused: what it was told of is not to be served any more, if it is older.
    fn refused(&self, key: &Key, replaced: &Replaced) {
        match replaced {
            Replaced::Conflict(current) => self.invalidate(key, Change::Revision(current.revision)),
            Replaced::Gone => self.gone(key),
            Replaced::Replaced(_) => {}
        }
    }

    async fn touch_at_once(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        for touch in touches {
            self.settle(&touch.key).await;
        }
        let tickets: Vec<_> = touches.iter().map(|touch| self.ticket(&touch.key)).collect();
        let answers = self.store.touch(touches).await?;
        for ((touch, ticket), answer) in touches.iter().zip(&tickets).zip(&answers) {
            match answer {
                Touched::Done => self.extended(touch, ticket),
                Touched::Gone => self.gone(&touch.key),
            }
        }
        Ok(answers)
    }
}

fn answer(record: &Arc<Record>, source: Source, known: Option<Revision>) -> Loaded {
    if known == Some(record.revision) {
        return Loaded::Unchanged { idle_deadline: record.idle_deadline };
    }
    Loaded::Found { record: Arc::clone(record), source }
}

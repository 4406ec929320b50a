//! One load for all who ask at the same time (rule 6).

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use session_core::{Consistency, Error, Key, Load, Record};
use tracing::Instrument as _;

use crate::boot_clock::BootTime;
use crate::node::Node;
use crate::stats::Count;

/// A load under way. Whoever waits for it drives it, so none of them depends on another one's
/// patience.
type Flight = Shared<BoxFuture<'static, Landed>>;

/// What a load found, if anything.
pub(crate) type Landed = Result<Option<Arc<Record>>, Error>;

/// A load that others may join. It ends with the last of those who wait for it.
pub(crate) struct Departed {
    id: u64,
    key: Key,
    generation: u64,
    at: BootTime,
    flight: WeakShared<BoxFuture<'static, Landed>>,
}

impl Departed {
    /// Whether who asks now may have the same answer. Nothing that this node has changed or heard
    /// of can be missing in it, and nothing that was acknowledged more than `max_staleness` ago.
    fn admits(&self, key: &Key, generation: u64, max_staleness: Duration) -> bool {
        self.key == *key
            && self.generation == generation
            && BootTime::now().since(self.at) < max_staleness
    }
}

/// What somebody finds who has not found a session in the cache.
enum Boarding {
    /// A load under way.
    Departed(Flight),
    /// One that has landed since then.
    Landed(Arc<Record>),
}

impl Node {
    /// Asks the shared store, together with those who ask at the same time, and keeps the answer.
    pub(crate) async fn read_through(self: &Arc<Self>, key: &Key) -> Landed {
        match self.board(key) {
            Boarding::Departed(flight) => flight.await,
            Boarding::Landed(record) => Ok(Some(record)),
        }
    }

    fn board(self: &Arc<Self>, key: &Key) -> Boarding {
        let ticket = self.ticket(key);
        let mut locked = self.stripes.of(key).lock();
        let generation = ticket.generation;
        let mut departed = locked.state.flights.iter();
        let departed = departed.find(|it| it.admits(key, generation, self.max_staleness));
        if let Some(flight) = departed.and_then(|departed| departed.flight.upgrade()) {
            self.counters.add(Count::Joined);
            return Boarding::Departed(flight);
        }
        // What a flight brings is in the cache before the flight is off the board: one that has
        // just landed is no reason for another one. (It is peeked at first: not to be there once is
        // not to be wanted twice.)
        if self.cache.peek(key).is_some()
            && let Ok(entry) = self.serve(key)
        {
            self.counters.add(Count::Joined);
            return Boarding::Landed(Arc::clone(&entry.record));
        }
        let id = locked.state.next_id();
        let landing = Landing { node: Arc::clone(self), key: *key, id };
        let flight = async move {
            let Landing { node, key, .. } = &landing;
            let load = Load::default().consistency(Consistency::Strong);
            let loaded = node.store.load(key, load).await?;
            node.land(key, &ticket, None, loaded).await
        };
        let span = tracing::debug_span!("session.cache.load");
        let flight = flight.instrument(span).boxed().shared();
        if let Some(weak) = flight.downgrade() {
            // Another flight of this key has admitted nobody: it is over, or of before.
            locked.state.flights.retain(|flight| flight.key != *key);
            let (key, at) = (*key, BootTime::now());
            locked.state.flights.push(Departed { id, key, generation, at, flight: weak });
        }
        Boarding::Departed(flight)
    }
}

/// Takes a flight off the board after it has landed, or when nobody waits for it any more.
struct Landing {
    node: Arc<Node>,
    key: Key,
    id: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut locked = self.node.stripes.of(&self.key).lock();
        locked.state.flights.retain(|flight| flight.id != self.id);
    }
}

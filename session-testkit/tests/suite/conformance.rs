//! A store that keeps the contract passes every clause, bare and behind the wrappers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::{Clock, Qualities, Store, SystemClock, Timestamp};
use session_testkit::{CountingStore, FaultyStore, Harness, ManualClock};

use crate::map_store::MapStore;

/// Any number of handles on one map, each behind something.
pub(crate) struct Mapped<W> {
    map: MapStore,
    clock: ManualClock,
    wrap: W,
}

impl<S: Store, W: Fn(MapStore) -> S> Mapped<W> {
    pub(crate) fn new(wrap: W) -> Self {
        let clock = ManualClock::default();
        Self { map: map_store(clock.clone()), clock, wrap }
    }
}

/// Its clones are good for what processes and restarts are good for with other stores.
fn map_store(clock: impl Clock) -> MapStore {
    MapStore { qualities: Qualities::NONE.shared().durable(), ..MapStore::new(clock) }
}

#[async_trait]
impl<S: Store, W: Fn(MapStore) -> S + Send + Sync> Harness for Mapped<W> {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new((self.wrap)(self.map.clone()))
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn reopen(&self) -> Option<Arc<dyn Store>> {
        Some(self.store())
    }

    async fn occupied(&self) -> Option<usize> {
        Some(self.map.with(|state, _| state.sessions.len()))
    }
}

mod bare {
    session_testkit::store_tests!(async || super::Mapped::new(|store| store));
}

mod wrapped {
    use super::{Arc, CountingStore, FaultyStore, Mapped};

    session_testkit::store_tests!(async || {
        Mapped::new(|store| CountingStore::new(Arc::new(FaultyStore::new(Arc::new(store)))))
    });
}

/// Time that nobody can stop, as with a server.
struct RealTime(MapStore);

#[async_trait]
impl Harness for RealTime {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn advance(&self, by: Duration) {
        let until = self.now().plus(by);
        while self.now() < until {
            tokio::time::sleep(until.since(self.now())).await;
        }
    }

    fn tick(&self) -> Duration {
        Duration::from_millis(250)
    }

    async fn reopen(&self) -> Option<Arc<dyn Store>> {
        Some(self.store())
    }
}

mod in_real_time {
    use super::{RealTime, SystemClock, map_store};

    session_testkit::store_tests!(async || RealTime(map_store(SystemClock)));
}

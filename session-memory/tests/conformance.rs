//! The store contract's conformance suite.

use std::sync::Arc;

use session_memory::MemoryStore;
use session_testkit::{InProcess, ManualClock};

async fn memory() -> InProcess {
    let clock = ManualClock::default();
    let store = MemoryStore::builder().clock(Arc::new(clock.clone())).build().expect("defaults");
    InProcess::new(store, clock)
}

session_testkit::store_tests!(memory);

//! A store of one's own, under the suite that ours pass.

use custom_store::MapStore;
use session_testkit::{Harness, InProcess, ManualClock};

async fn harness() -> impl Harness {
    let clock = ManualClock::default();
    InProcess::new(MapStore::new(clock.clone()), clock)
}

session_testkit::store_tests!(harness);

//! The harness of stores on servers, around a store that needs none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use session_core::{Namespace, Store};
use session_testkit::servers::ServerHarness;
use session_testkit::{CountingStore, Harness, ManualClock};

use crate::map_store::MapStore;

fn store() -> Arc<dyn Store> {
    Arc::new(MapStore::new(ManualClock::default()))
}

#[tokio::test]
async fn handles_are_made_anew_for_one_namespace() {
    let names = Arc::new(std::sync::Mutex::new(Vec::new()));
    let harness = ServerHarness::new({
        let names = Arc::clone(&names);
        move |namespace| {
            names.lock().unwrap().push(namespace.to_owned());
            store()
        }
    });
    assert!(Namespace::parse(harness.namespace()).is_ok());
    assert!(Arc::ptr_eq(&harness.store(), &harness.store()));
    let reopened = harness.reopen().await.unwrap();
    assert!(!Arc::ptr_eq(&harness.store(), &reopened));
    assert_eq!(*names.lock().unwrap(), [harness.namespace(), harness.namespace()]);
    assert_ne!(ServerHarness::new(|_| store()).namespace(), harness.namespace());
}

#[tokio::test]
async fn time_is_real() {
    let harness = ServerHarness::new(|_| store()).with_tick(Duration::from_millis(7));
    let before = harness.now();
    harness.advance(3 * harness.tick()).await;
    assert!(harness.now() >= before.plus(Duration::from_millis(21)));
}

#[tokio::test]
async fn sessions_are_counted_by_whoever_knows_how() {
    let harness = ServerHarness::new(|_| store());
    assert_eq!(harness.occupied().await, None);
    let harness = harness.with_occupied(async |namespace: String| namespace.len());
    assert_eq!(harness.occupied().await, Some(harness.namespace().len()));
}

#[tokio::test]
async fn the_guard_outlives_the_store() {
    /// Sees, when it is dropped, whether the other is there.
    struct Guard(std::sync::Weak<CountingStore>, Arc<AtomicUsize>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.1.store(self.0.strong_count() + 1, Ordering::SeqCst);
        }
    }

    let counting = Arc::new(CountingStore::new(store()));
    let (weak, seen) = (Arc::downgrade(&counting), Arc::default());
    let open: std::sync::Mutex<Option<Arc<dyn Store>>> = std::sync::Mutex::new(Some(counting));
    let harness = ServerHarness::new(move |_| open.lock().unwrap().take().unwrap())
        .with_guard(Guard(weak, Arc::clone(&seen)));
    drop(harness);
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

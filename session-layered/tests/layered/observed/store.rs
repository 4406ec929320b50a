//! An observed store is a store like any other, and every call of it is counted.

use std::sync::Arc;
use std::time::Duration;

use session_core::{
    Clock as _, Consistency, ErrorKind, Load, Revision, Store as _, Subject, SystemClock, Touch,
};
use session_layered::observe::Observed;
use session_memory::MemoryStore;
use session_redis::{RedisStore, Topology};
use session_testkit::{FaultyStore, ManualClock, Method, sample};

use super::meter::Metered;
use crate::fixture::create;

mod conformance {
    use std::sync::Arc;

    use session_layered::observe::Observed;
    use session_memory::MemoryStore;
    use session_testkit::{InProcess, ManualClock};

    use crate::observed::meter::Metered;

    async fn harness() -> InProcess {
        let clock = ManualClock::default();
        let store = MemoryStore::builder().clock(Arc::new(clock.clone())).build().unwrap();
        InProcess::new(Observed::new(store, "memory", &Metered::new().meter()), clock)
    }

    session_testkit::store_tests!(harness);
}

/// In front of the cache and behind it, at the same time.
mod conformance_around_a_cache {
    use std::sync::Arc;

    use session_layered::observe::Observed;
    use session_memory::MemoryStore;
    use session_testkit::{InProcess, ManualClock};

    use crate::fixture::{D, layered, until_leased};
    use crate::observed::meter::Metered;

    async fn harness() -> InProcess {
        let (clock, metered) = (ManualClock::default(), Metered::new());
        let shared = MemoryStore::builder().clock(Arc::new(clock.clone())).build().unwrap();
        let shared = Observed::new(shared, "memory", &metered.meter());
        let store = layered(Arc::new(shared)).max_staleness(D);
        let store = store.clock(Arc::new(clock.clone())).build().unwrap();
        until_leased(&store).await;
        InProcess::new(Observed::new(store, "layered", &metered.meter()), clock)
    }

    session_testkit::store_tests!(harness);
}

const DURATION: &str = "session.store.operation.duration";

fn key_of(operation: &str, outcome: &str) -> String {
    format!("session.backend=memory,session.operation={operation},session.outcome={outcome}")
}

#[tokio::test]
async fn every_operation_is_counted_by_what_came_of_it() {
    let metered = Metered::new();
    let clock = ManualClock::default();
    let inner = MemoryStore::builder().clock(Arc::new(clock.clone())).build().unwrap();
    let store = Observed::new(inner, "memory", &metered.meter());
    let (key, other) = (sample::key(), sample::key());
    let record = sample::record(clock.now());
    let subject = Subject::new("ada").unwrap();

    let first = create(&store, &key, &record).await;
    store.create(&key, &record).await.unwrap();
    store.load(&key, Load::default()).await.unwrap();
    store.load(&key, Load::default().known(first)).await.unwrap();
    store.load(&other, Load::default().consistency(Consistency::Strong)).await.unwrap();
    store.replace(&key, &record, first).await.unwrap();
    store.replace(&key, &record, first).await.unwrap();
    store.replace(&other, &record, first).await.unwrap();
    let touch = |key| Touch { key, idle_deadline: record.idle_deadline };
    store.touch(&[touch(key)]).await.unwrap();
    store.touch(&[touch(other)]).await.unwrap();
    store.touch(&[touch(key), touch(other)]).await.unwrap();
    store.subjects().unwrap().list(&subject, None, 8).await.unwrap();
    let to = sample::key_beside(&key);
    store.rotate(&key, &to, &record, Revision::new(77)).await.unwrap();
    let session_core::Loaded::Found { record: current, .. } =
        store.load(&key, Load::default()).await.unwrap()
    else {
        panic!("the session is alive")
    };
    store.rotate(&key, &to, &record, current.revision).await.unwrap();
    store.rotate(&key, &to, &record, current.revision).await.unwrap();
    store.delete(&to).await.unwrap();
    store.delete(&to).await.unwrap();
    create(&store, &sample::key(), &record).await;
    clock.advance(Duration::from_secs(365 * 24 * 60 * 60));
    assert_eq!(store.purge_expired(10).await.unwrap(), 1);
    store.fence().await.unwrap();
    store.flush().await.unwrap();

    let expected = [
        ("create", "created", 2),
        ("create", "duplicate", 1),
        ("load", "found", 2),
        ("load", "unchanged", 1),
        ("load", "absent", 1),
        ("replace", "replaced", 1),
        ("replace", "conflict", 1),
        ("replace", "gone", 1),
        ("touch", "done", 1),
        ("touch", "gone", 1),
        ("touch", "partly_gone", 1),
        ("list", "done", 1),
        ("rotate", "conflict", 1),
        ("rotate", "replaced", 1),
        ("rotate", "gone", 1),
        ("delete", "deleted", 1),
        ("delete", "absent", 1),
        ("purge_expired", "done", 1),
        ("fence", "done", 1),
        ("flush", "done", 1),
    ];
    let expected =
        expected.into_iter().map(|(operation, outcome, count)| (key_of(operation, outcome), count));
    assert_eq!(metered.counts(DURATION), expected.collect());
    let purged = metered.counts("session.store.purged");
    assert_eq!(purged, [("session.backend=memory".to_owned(), 1)].into());
}

#[tokio::test]
async fn errors_are_counted_by_kind_and_passed_on() {
    let metered = Metered::new();
    let faulty = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let store = Observed::shared(faulty.clone(), "memory", &metered.meter());
    faulty.fail_next(Method::Load, ErrorKind::Timeout);
    let error = store.load(&sample::key(), Load::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Timeout, Some("load")));
    faulty.fail_next(Method::PurgeExpired, ErrorKind::Unavailable);
    store.purge_expired(1).await.unwrap_err();
    let counted =
        |kind, operation| (format!("error.type={kind},{}", key_of(operation, "error")), 1);
    let expected = [counted("timeout", "load"), counted("unavailable", "purge_expired")];
    assert_eq!(metered.counts(DURATION), expected.into());
}

#[tokio::test]
async fn a_caller_who_goes_away_is_counted() {
    let metered = Metered::new();
    let faulty = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let store = Arc::new(Observed::shared(faulty.clone(), "memory", &metered.meter()));
    let gate = faulty.hold_call(Method::Create);
    let call = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.create(&sample::key(), &sample::record(SystemClock.now())).await }
    });
    gate.reached().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(metered.counts(DURATION), [(key_of("create", "cancelled"), 1)].into());
}

#[tokio::test]
async fn what_is_not_measured_is_the_other_store_s() {
    let inner = MemoryStore::new();
    let store = Observed::new(inner.clone(), "memory", &Metered::new().meter());
    assert_eq!(store.qualities(), inner.qualities());
    assert!(store.backplane().is_some());
    let topology = Topology::single("redis://127.0.0.1:1").unwrap();
    let silent = RedisStore::builder(topology).without_announcements().build().unwrap();
    let observed = Observed::new(silent, "redis", &Metered::new().meter());
    assert!(observed.backplane().is_none());
    assert!(observed.subjects().is_some());
}

//! What the wrapping stores do besides passing calls on.

use std::sync::Arc;

use session_core::{Clock as _, Consistency, Created, ErrorKind, Load, Loaded, Revision, Store};
use session_testkit::{CountingStore, Counts, FaultyStore, ManualClock, Method, sample};

use crate::map_store::MapStore;

fn store() -> (Arc<CountingStore>, FaultyStore, ManualClock) {
    let clock = ManualClock::default();
    let counting = Arc::new(CountingStore::new(Arc::new(MapStore::new(clock.clone()))));
    (Arc::clone(&counting), FaultyStore::new(counting), clock)
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(test);
}

#[test]
fn calls_are_counted_by_method() {
    run(async {
        let (store, _, clock) = store();
        assert_eq!(store.counts(), Counts::default());
        let (key, record) = (sample::key(), sample::record(clock.now()));
        store.create(&key, &record).await.unwrap();
        assert_eq!(store.last_load(), None);
        let before = store.counts();
        for consistency in [Consistency::Cached, Consistency::Strong] {
            let load = Load::default().consistency(consistency);
            store.load(&key, load).await.unwrap();
            assert_eq!(store.last_load(), Some(load));
        }
        store.subjects().unwrap().list(&sample::subject(), None, 1).await.unwrap();
        store.fence().await.unwrap();
        store.flush().await.unwrap();
        let since = store.counts().since(before);
        assert_eq!(since, Counts { load: 2, list: 1, fence: 1, flush: 1, ..Counts::default() });
        assert_eq!((since.total(), store.counts().total()), (5, 6));
    });
}

#[test]
fn a_failed_call_never_reaches_the_store_and_a_lost_reply_does() {
    run(async {
        let (counting, store, clock) = store();
        let (key, record) = (sample::key(), sample::record(clock.now()));

        store.fail_next(Method::Create, ErrorKind::Unavailable);
        let error = store.create(&key, &record).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Unavailable, Some("create")));
        assert_eq!(counting.counts().total(), 0);

        store.lose_reply(Method::Create, ErrorKind::Timeout);
        let error = store.create(&key, &record).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(store.create(&key, &record).await.unwrap(), Created::Duplicate);

        store.fail(&Method::ALL, ErrorKind::Unavailable);
        store.fail_next(Method::Load, ErrorKind::Corrupt);
        for kind in [ErrorKind::Corrupt, ErrorKind::Unavailable, ErrorKind::Unavailable] {
            assert_eq!(store.load(&key, Load::default()).await.unwrap_err().kind(), kind);
        }
        store.heal();
        assert!(matches!(store.load(&key, Load::default()).await, Ok(Loaded::Found { .. })));
    });
}

#[test]
fn a_gate_holds_a_call_where_the_test_wants_it() {
    run(async {
        let (counting, store, clock) = store();
        let (key, record) = (sample::key(), sample::record(clock.now()));
        let store = Arc::new(store);
        let create = || {
            let (store, record) = (Arc::clone(&store), record.clone());
            tokio::spawn(async move { store.create(&key, &record).await.unwrap() })
        };
        let before = store.hold_call(Method::Create);
        let after = store.hold_reply(Method::Create);

        let first = create();
        before.reached().await;
        assert_eq!(counting.counts().create, 0, "the first waits before the store");

        let second = create();
        after.reached().await;
        assert_eq!(counting.counts().create, 1, "the second waits with its answer");
        assert!(matches!(counting.load(&key, Load::default()).await, Ok(Loaded::Found { .. })));

        before.open();
        assert_eq!(first.await.unwrap(), Created::Duplicate);
        drop(after);
        assert_eq!(second.await.unwrap(), Created::Created(Revision::new(1)));
    });
}

//! Sessions that end for every node, and what else waits for all of them.

use std::sync::Arc;

use session_core::{ErrorKind, Store};
use session_testkit::{CountingStore, Counts, FaultyStore, Method};

use crate::visitor::{App, Visitor, app_over};

struct Faulty {
    app: App,
    store: Arc<FaultyStore>,
    /// Behind the faults.
    counting: Arc<CountingStore>,
}

fn faulty() -> Faulty {
    let mut counting = None;
    let wrap = |inner| {
        let inner = Arc::new(CountingStore::new(inner));
        counting = Some(Arc::clone(&inner));
        FaultyStore::new(inner as Arc<dyn Store>)
    };
    let (app, store) = app_over(wrap, |builder| builder);
    Faulty { app, store, counting: counting.unwrap() }
}

impl Faulty {
    async fn live(&self) -> Visitor {
        let mut visitor = Visitor::default();
        visitor.request(&self.app.sessions, async |it| it.insert("a", &1).unwrap()).await;
        visitor
    }
}

#[tokio::test]
async fn a_session_is_deleted_and_then_every_node_is_waited_for() {
    let faulty = faulty();
    let visitor = faulty.live().await;
    let lazy = visitor.open(&faulty.app.sessions);
    let session = lazy.load().await.unwrap();
    let before = faulty.counting.counts();
    let called = || faulty.counting.counts().since(before);

    let deleted = faulty.store.hold_reply(Method::Delete);
    let ending = tokio::spawn({
        let session = session.clone();
        async move { session.destroy_everywhere().await }
    });
    deleted.reached().await;
    assert_eq!(called(), Counts { delete: 1, ..Counts::default() });
    deleted.open();
    ending.await.unwrap().unwrap();
    assert_eq!(called(), Counts { delete: 1, fence: 1, ..Counts::default() });

    assert!(!session.exists() && faulty.app.store.is_empty());
    let finished = lazy.finish(false).await;
    assert!(finished.error.is_none() && finished.header.unwrap().starts_with("id=;"));
}

#[tokio::test]
async fn nobody_is_waited_for_unless_the_session_is_deleted() {
    for kind in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Full] {
        let faulty = faulty();
        let session = faulty.live().await.open(&faulty.app.sessions).load().await.unwrap();
        let before = faulty.counting.counts();
        faulty.store.fail_next(Method::Delete, kind);
        assert_eq!(session.destroy_everywhere().await.unwrap_err().kind(), kind);
        assert_eq!(faulty.counting.counts().since(before), Counts::default());

        session.destroy_everywhere().await.unwrap();
        let calls = faulty.counting.counts().since(before);
        assert_eq!(calls, Counts { delete: 1, fence: 1, ..Counts::default() }, "tried again");
    }
}

#[tokio::test]
async fn a_node_that_may_not_know_is_an_error_and_can_be_waited_for_again() {
    let faulty = faulty();
    let session = faulty.live().await.open(&faulty.app.sessions).load().await.unwrap();
    faulty.store.fail_next(Method::Fence, ErrorKind::Timeout);
    let error = session.destroy_everywhere().await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Timeout, Some("fence")));
    assert!(faulty.app.store.is_empty(), "the session has ended all the same");
    let before = faulty.counting.counts();
    session.destroy_everywhere().await.unwrap();
    let calls = faulty.counting.counts().since(before);
    assert_eq!(calls, Counts { fence: 1, ..Counts::default() });
}

#[tokio::test]
async fn an_anonymous_visitor_is_nobody_to_wait_for() {
    let faulty = faulty();
    let session = Visitor::default().open(&faulty.app.sessions).load().await.unwrap();
    session.insert("a", &1).unwrap();
    session.destroy_everywhere().await.unwrap();
    assert_eq!(faulty.counting.counts(), Counts::default());
}

#[tokio::test]
async fn the_manager_passes_fence_and_flush_on() {
    let faulty = faulty();
    let sessions = &faulty.app.sessions;
    sessions.fence().await.unwrap();
    sessions.flush().await.unwrap();
    let calls = faulty.counting.counts();
    assert_eq!(calls, Counts { fence: 1, flush: 1, ..Counts::default() });

    faulty.store.fail(&[Method::Fence, Method::Flush], ErrorKind::Unavailable);
    assert_eq!(sessions.fence().await.unwrap_err().operation(), Some("fence"));
    assert_eq!(sessions.flush().await.unwrap_err().operation(), Some("flush"));
}

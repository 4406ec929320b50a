//! Requests that are dropped half way.

use std::future::Future;
use std::task::{Context, Poll, Waker};

use session_core::{ErrorKind, Field, Subject};
use session_testkit::{FaultyStore, Method};

use crate::visitor::{Visitor, app_over};

const COUNTER: Field<u64> = Field::new("counter");

/// Polls a future once and drops it.
pub(crate) fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_cancelled_save_leaves_the_store_as_before_or_as_after() {
    for (method, before_the_write) in [
        (Method::Replace, true),
        (Method::Replace, false),
        (Method::Rotate, true),
        (Method::Rotate, false),
        (Method::Delete, true),
        (Method::Delete, false),
    ] {
        let (app, store) = app_over(FaultyStore::new, |builder| builder);
        let mut visitor = Visitor::default();
        visitor.request(&app.sessions, async |session| session.insert(COUNTER, &1).unwrap()).await;

        let lazy = visitor.open(&app.sessions);
        let session = lazy.load().await.unwrap();
        session.insert(COUNTER, &2).unwrap();
        match method {
            Method::Rotate => session.log_in(Subject::new("ada").unwrap()),
            Method::Delete => session.destroy(),
            _ => {}
        }
        let gate = match before_the_write {
            true => store.hold_call(method),
            false => store.hold_reply(method),
        };
        assert!(poll_once(lazy.finish(false)).is_pending());
        drop(gate);

        let after = visitor.open(&app.sessions).load().await.unwrap();
        let counter = after.get(COUNTER).unwrap();
        let expected = match (before_the_write, method) {
            (true, _) => Some(1),
            (false, Method::Replace) => Some(2),
            (false, _) => None,
        };
        assert_eq!(counter, expected, "{method:?}, before the write: {before_the_write}");
        let live = usize::from(before_the_write || method != Method::Delete);
        assert_eq!(app.store.len(), live, "{method:?}: one session or none, never two");
    }
}

#[tokio::test]
async fn an_update_that_was_given_up_before_it_was_sent_is_not_saved_later() {
    let (app, store) = app_over(FaultyStore::new, |builder| builder);
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert(COUNTER, &1).unwrap()).await;

    let lazy = visitor.open(&app.sessions);
    let session = lazy.load().await.unwrap();
    session.insert("theme", "dark").unwrap();
    let gate = store.hold_call(Method::Replace);
    let mut saving = std::pin::pin!(session.commit());
    assert!(saving.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let add = |n: Option<u64>| n.unwrap_or(0) + 1;
    assert!(poll_once(session.update_now(COUNTER, add)).is_pending(), "the other one saves");
    assert_eq!(session.get(COUNTER).unwrap(), Some(1));
    gate.open();
    saving.await.unwrap();
    assert_eq!(session.update_now(COUNTER, add).await.unwrap(), 2);
    assert!(lazy.finish(false).await.error.is_none());
    let session = visitor.open(&app.sessions).load().await.unwrap();
    assert_eq!(session.get(COUNTER).unwrap(), Some(2));
    assert!(session.contains(COUNTER) && session.contains("theme"));
}

#[tokio::test]
async fn a_cancelled_commit_is_not_passed_off_as_saved() {
    let (app, store) = app_over(FaultyStore::new, |builder| builder);
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert(COUNTER, &1).unwrap()).await;

    let lazy = visitor.open(&app.sessions);
    let session = lazy.load().await.unwrap();
    session.update(COUNTER, |n| n.unwrap_or(0) + 1).unwrap();
    let gate = store.hold_reply(Method::Replace);
    assert!(poll_once(session.commit()).is_pending());
    drop(gate);
    let finished = lazy.finish(false).await;
    assert_eq!(finished.error.unwrap().kind(), ErrorKind::Timeout, "nobody knows");
    visitor
        .request(&app.sessions, async |session| {
            assert_eq!(session.get(COUNTER).unwrap(), Some(2), "and nothing happened twice");
        })
        .await;
}

#[tokio::test]
async fn a_cancelled_load_is_done_by_the_next_who_asks() {
    let (app, store) = app_over(FaultyStore::new, |builder| builder);
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert(COUNTER, &1).unwrap()).await;
    let lazy = visitor.open(&app.sessions);
    let gate = store.hold_call(Method::Load);
    assert!(poll_once(lazy.load()).is_pending());
    drop(gate);
    assert_eq!(lazy.load().await.unwrap().get(COUNTER).unwrap(), Some(1));
}

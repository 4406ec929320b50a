//! Stores that fail: an outage is neither an anonymous visitor nor a success.

use std::sync::Arc;

use session_core::{
    ErrorKind, Field, Payload, Session, SessionCookie, Sessions, Source, Store, Subject,
};
use session_testkit::{FaultyStore, Method};

use crate::cancellation::poll_once;
use crate::visitor::{App, IDLE, Visitor, app, app_over};

const COUNTER: Field<u64> = Field::new("counter");

struct Faulty {
    app: App,
    store: Arc<FaultyStore>,
}

fn faulty() -> Faulty {
    let (app, store) = app_over(FaultyStore::new, |builder| builder);
    Faulty { app, store }
}

impl Faulty {
    async fn live(&self) -> Visitor {
        let mut visitor = Visitor::default();
        let sessions = &self.app.sessions;
        visitor.request(sessions, async |session| session.insert(COUNTER, &1).unwrap()).await;
        visitor
    }

    async fn counter(&self, visitor: &Visitor) -> Option<u64> {
        let session = visitor.open(&self.app.sessions).load().await.unwrap();
        session.get(COUNTER).unwrap()
    }
}

const OUTAGES: [ErrorKind; 2] = [ErrorKind::Unavailable, ErrorKind::Timeout];

#[tokio::test]
async fn a_session_that_cannot_be_read_is_an_error_and_its_cookie_stays() {
    let faulty = faulty();
    let visitor = faulty.live().await;
    for kind in OUTAGES {
        let lazy = visitor.open(&faulty.app.sessions);
        faulty.store.fail_next(Method::Load, kind);
        assert_eq!(lazy.load().await.unwrap_err().kind(), kind);
        assert!(lazy.loaded().is_none());
        let finished = lazy.finish(true).await;
        assert!(finished.header.is_none(), "nobody knows whether the session is alive");
        assert!(finished.used, "and that is told to nobody else");
        assert!(lazy.load().await.unwrap().exists(), "a later call tries again");
    }
}

#[tokio::test]
async fn what_was_not_saved_is_never_a_success() {
    type Act = fn(&Session);
    let write: Act = |session| session.insert(COUNTER, &2).unwrap();
    for (method, act) in [
        (Method::Replace, write),
        (Method::Rotate, |session| session.rotate()),
        (Method::Delete, |session| session.log_out()),
    ] {
        for kind in OUTAGES {
            let faulty = faulty();
            let mut visitor = faulty.live().await;
            let before = visitor.clone();
            faulty.store.fail_next(method, kind);
            let ((), finished) = visitor.visit(&faulty.app.sessions, async |s| act(s)).await;
            assert_eq!(finished.error.unwrap().kind(), kind, "{method:?}");
            assert!(finished.header.is_none(), "{method:?}: the client keeps its token");
            assert_eq!(faulty.counter(&before).await, Some(1), "{method:?}");
        }
    }
    let faulty = faulty();
    faulty.store.fail_next(Method::Create, ErrorKind::Full);
    let ((), finished) = Visitor::default().visit(&faulty.app.sessions, async |s| write(s)).await;
    // The session was refused, not in doubt: the end of the request tries again.
    assert_eq!(finished.error.unwrap().kind(), ErrorKind::Full);
    assert!(finished.header.is_none() && faulty.app.store.is_empty());
}

/// The id that it came with is dead, on the server that did so at least.
#[tokio::test]
async fn a_client_whose_new_id_too_few_replicas_have_is_told_both() {
    type Act = fn(&Session);
    let log_in: Act = |session| session.log_in(Subject::new("ada").unwrap());
    for (method, act) in [(Method::Rotate, log_in), (Method::Rotate, |session| session.rotate())] {
        let faulty = faulty();
        let mut visitor = faulty.live().await;
        let before = visitor.clone();
        faulty.store.lose_reply(method, ErrorKind::NotReplicated);
        let ((), finished) = visitor.visit(&faulty.app.sessions, async |s| act(s)).await;
        assert_eq!(finished.error.unwrap().kind(), ErrorKind::NotReplicated);
        assert!(finished.header.is_some());
        assert_eq!(faulty.counter(&visitor).await, Some(1), "signed out by nobody");
        assert_eq!(faulty.counter(&before).await, None);
    }

    let faulty = faulty();
    let mut visitor = Visitor::default();
    faulty.store.lose_reply(Method::Create, ErrorKind::NotReplicated);
    let saved = visitor.visit(&faulty.app.sessions, async |session| {
        log_in(session);
        let error = session.commit().await.unwrap_err();
        session.insert(COUNTER, &1).unwrap();
        session.commit().await.unwrap();
        error
    });
    let (error, finished) = saved.await;
    assert_eq!(error.kind(), ErrorKind::NotReplicated);
    assert!(finished.header.is_some());
    assert_eq!(faulty.counter(&visitor).await, Some(1), "it goes on from what was written");
    assert_eq!(faulty.app.store.len(), 1);
}

#[tokio::test]
async fn a_failure_that_the_handler_swallowed_is_answered_all_the_same() {
    let faulty = faulty();
    let mut visitor = faulty.live().await;
    faulty.store.fail_next(Method::Replace, ErrorKind::Timeout);
    let (_, finished) = visitor
        .visit(&faulty.app.sessions, async |session| {
            session.insert(COUNTER, &2).unwrap();
            session.commit().await
        })
        .await;
    assert_eq!(finished.error.unwrap().kind(), ErrorKind::Timeout);

    let lazy = visitor.open(&faulty.app.sessions);
    let session = lazy.load().await.unwrap();
    faulty.store.fail_next(Method::Replace, ErrorKind::Timeout);
    session.insert(COUNTER, &2).unwrap();
    assert!(session.commit().await.is_err());
    assert!(lazy.finish(true).await.error.is_none(), "unless the handler answered it itself");
}

#[tokio::test]
async fn a_save_that_may_have_landed_is_not_done_twice() {
    let faulty = faulty();
    let visitor = faulty.live().await;
    let lazy = visitor.open(&faulty.app.sessions);
    let session = lazy.load().await.unwrap();
    faulty.store.lose_reply(Method::Replace, ErrorKind::Timeout);
    let add = |n: Option<u64>| n.unwrap_or(0) + 1;
    assert_eq!(session.update_now(COUNTER, add).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert!(lazy.finish(true).await.error.is_none());
    assert_eq!(faulty.counter(&visitor).await, Some(2), "once");
}

#[tokio::test]
async fn a_handler_may_try_again_after_a_lost_reply() {
    let faulty = faulty();
    let visitor = faulty.live().await;
    let lazy = visitor.open(&faulty.app.sessions);
    let session = lazy.load().await.unwrap();
    faulty.store.lose_reply(Method::Replace, ErrorKind::Timeout);
    session.insert("a", &1).unwrap();
    assert!(session.commit().await.is_err());
    session.insert("a", &2).unwrap();
    session.commit().await.unwrap();
    assert!(lazy.finish(false).await.error.is_none(), "what counts is what was saved last");
    let session = visitor.open(&faulty.app.sessions).load().await.unwrap();
    assert_eq!(session.get("a").unwrap(), Some(2));
}

#[tokio::test]
async fn a_later_loss_does_not_hide_an_earlier_one() {
    let faulty = faulty();
    let visitor = faulty.live().await;
    let lazy = visitor.open(&faulty.app.sessions);
    let session = lazy.load().await.unwrap();
    faulty.store.fail_next(Method::Delete, ErrorKind::Timeout);
    session.destroy();
    session.commit().await.unwrap_err();
    faulty.store.fail_next(Method::Replace, ErrorKind::Timeout);
    session.insert("a", &1).unwrap();
    session.commit().await.unwrap_err();
    session.insert("a", &1).unwrap();
    session.commit().await.unwrap();
    let finished = lazy.finish(false).await;
    assert_eq!(finished.error.unwrap().kind(), ErrorKind::Timeout, "it may still be alive");
}

#[tokio::test]
async fn a_lost_reply_to_a_log_out_leaves_no_live_session() {
    let faulty = faulty();
    let mut visitor = faulty.live().await;
    let before = visitor.clone();
    faulty.store.lose_reply(Method::Delete, ErrorKind::Timeout);
    let ((), finished) = visitor.visit(&faulty.app.sessions, async |s| s.log_out()).await;
    assert!(finished.error.is_some(), "nobody can promise that it is dead");
    assert_eq!(faulty.counter(&before).await, None);
}

#[tokio::test]
async fn a_failed_touch_does_not_fail_the_request() {
    let faulty = faulty();
    let mut visitor = faulty.live().await;
    faulty.app.clock.advance(IDLE / 2);
    faulty.store.fail_next(Method::Touch, ErrorKind::Unavailable);
    let ((), finished) = visitor.visit(&faulty.app.sessions, async |_| ()).await;
    assert!(finished.error.is_none() && finished.header.is_none());
    faulty.app.clock.advance(IDLE / 2 - std::time::Duration::from_millis(1));
    visitor.request(&faulty.app.sessions, async |session| assert!(session.exists())).await;
    faulty.app.clock.advance(IDLE / 2);
    assert_eq!(faulty.counter(&visitor).await, Some(1), "the next request touched it");
}

#[tokio::test]
async fn a_touch_of_a_session_that_has_ended_clears_the_cookie() {
    let faulty = faulty();
    let visitor = faulty.live().await;
    faulty.app.clock.advance(IDLE / 2);
    let lazy = visitor.open(&faulty.app.sessions);
    lazy.load().await.unwrap();
    visitor.clone().request(&faulty.app.sessions, async |session| session.log_out()).await;
    let finished = lazy.finish(false).await;
    assert!(finished.error.is_none(), "the answer was right when it was made");
    assert!(finished.header.unwrap().starts_with("id=;"));
    assert!(faulty.app.store.is_empty());
}

#[tokio::test]
async fn tries_are_bounded() {
    let faulty = faulty();
    let visitor = faulty.live().await;
    let lazy = visitor.open(&faulty.app.sessions);
    let session = lazy.load().await.unwrap();
    session.update(COUNTER, increment_too_late(&faulty, &visitor)).unwrap();
    let finished = lazy.finish(false).await;
    let error = finished.error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.context("attempts"), Some("1000"));
    assert_eq!(faulty.counter(&visitor).await, Some(1));
}

#[tokio::test]
async fn an_update_that_was_answered_as_failed_is_not_saved_later() {
    let faulty = faulty();
    let visitor = faulty.live().await;
    let lazy = visitor.open(&faulty.app.sessions);
    let session = lazy.load().await.unwrap();
    session.insert("kept", &true).unwrap();
    let error = session.update_now(COUNTER, increment_too_late(&faulty, &visitor)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(session.get(COUNTER).unwrap(), Some(1), "as it was");
    assert!(lazy.finish(false).await.error.is_none(), "what else there was is saved");
    assert_eq!(faulty.counter(&visitor).await, Some(1));
    let kept = visitor.open(&faulty.app.sessions).load().await.unwrap().get::<bool>("kept");
    assert_eq!(kept.unwrap(), Some(true));
}

/// An increment that never gets through: every time it computes its value, another process has
/// written meanwhile.
fn increment_too_late(
    faulty: &Faulty,
    visitor: &Visitor,
) -> impl Fn(Option<u64>) -> u64 + Send + Sync + 'static {
    let elsewhere = Sessions::builder(faulty.app.store.clone())
        .cookie(SessionCookie::new("id"))
        .clock(Arc::new(faulty.app.clock.clone()))
        .build()
        .unwrap();
    let other = visitor.clone();
    move |count| {
        let write = async |session: &Session| session.insert("other", &count).unwrap();
        // So many tries are more than what a task may do before it makes room for others.
        let mut other = other.clone();
        let written = poll_once(tokio::task::unconstrained(other.request(&elsewhere, write)));
        assert!(written.is_ready(), "the embedded store never waits");
        count.unwrap_or(0) + 1
    }
}

#[tokio::test]
async fn what_nobody_can_read_is_a_session_to_sign_in_to_again() {
    let app = app();
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert(COUNTER, &1).unwrap()).await;
    let session = visitor.open(&app.sessions).load().await.unwrap();
    assert_eq!(session.source(), Some(Source::Shared));
    // Something else has written to the store.
    let token = visitor.cookie.clone().unwrap().split_once('=').unwrap().1.to_owned();
    let token = session_core::Token::parse(token.as_bytes()).unwrap();
    let key = session_core::Key::of(&token, app.sessions.namespace());
    let session_core::Loaded::Found { record, .. } =
        app.store.load(&key, session_core::Load::default()).await.unwrap()
    else {
        panic!("it was there a moment ago")
    };
    let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(1_000_000));
    for garbage in ["{", "[]", "\u{1}\u{1}\u{0}", "\u{2}", "{\"a\":1,\"a\":2}", &huge] {
        let damaged =
            session_core::Record { payload: Payload::new(garbage.to_owned()), ..(*record).clone() };
        let other = key_of(&app, &damaged).await;
        let lazy = other.open(&app.sessions);
        assert!(!lazy.load().await.unwrap().exists(), "{garbage:.20}");
        assert!(lazy.finish(false).await.header.unwrap().starts_with("id=;"));
    }
}

/// Stores a record under a fresh token.
async fn key_of(app: &App, record: &session_core::Record) -> Visitor {
    let token = session_core::Token::random(&session_core::OsEntropy).unwrap();
    let key = session_core::Key::of(&token, app.sessions.namespace());
    app.store.create(&key, record).await.unwrap();
    Visitor::with_token(&token.to_text())
}

#[tokio::test]
async fn after_the_response_has_begun_nobody_gets_a_token() {
    let app = app();
    let lazy = Visitor::default().open(&app.sessions);
    let session = lazy.load().await.unwrap();
    assert!(lazy.finish(false).await.error.is_none());
    session.insert(COUNTER, &1).unwrap();
    assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::Misuse);
    assert!(app.store.is_empty());

    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert(COUNTER, &1).unwrap()).await;
    let lazy = visitor.open(&app.sessions);
    let session = lazy.load().await.unwrap();
    assert!(lazy.finish(false).await.error.is_none());
    session.insert(COUNTER, &2).unwrap();
    session.commit().await.unwrap();
    session.rotate();
    assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::Misuse);
    visitor
        .request(&app.sessions, async |session| {
            assert_eq!(session.get(COUNTER).unwrap(), Some(2), "a WebSocket can still save");
        })
        .await;
}

//! Clones, commits, log-ins and log-outs that meet in unlucky moments.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use session_core::{
    ErrorKind, Field, KeyRing, Level, Session, SessionCookie, Sessions, SessionsBuilder, Subject,
    Timeouts,
};
use session_testkit::{FaultyStore, Method};

use crate::visitor::{App, IDLE, Visitor, app, app_over};

const COUNTER: Field<u64> = Field::new("counter");

fn faulty() -> (App, Arc<FaultyStore>) {
    app_over(FaultyStore::new, |builder| builder)
}

async fn live(app: &App) -> Visitor {
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert(COUNTER, &1).unwrap()).await;
    visitor
}

fn subject(id: &str) -> Subject {
    Subject::new(id).unwrap()
}

fn add(n: Option<u64>) -> u64 {
    n.unwrap_or(0) + 1
}

/// Goes on with a future as far as it can go, which is not to its end.
fn start<F: Future>(future: &mut Pin<Box<F>>) {
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

/// The same sessions as a process with other settings sees them.
fn elsewhere(app: &App, build: impl FnOnce(SessionsBuilder) -> SessionsBuilder) -> Sessions {
    let builder = Sessions::builder(app.store.clone())
        .cookie(SessionCookie::new("id"))
        .clock(Arc::new(app.clock.clone()));
    build(builder).build().unwrap()
}

fn with_a_key(builder: SessionsBuilder) -> SessionsBuilder {
    builder.encrypt(KeyRing::new([vec![7; 32]]).unwrap())
}

#[tokio::test]
async fn a_clone_whose_change_another_commit_lost_is_told() {
    let (app, store) = faulty();
    let visitor = live(&app).await;
    let session = visitor.open(&app.sessions).load().await.unwrap();
    session.insert("x", &1).unwrap();
    let gate = store.hold_call(Method::Replace);
    let mut first = Box::pin(session.commit());
    start(&mut first);
    let mut second = Box::pin(session.update_now(COUNTER, add));
    start(&mut second);
    let mut third = Box::pin(session.update_now(COUNTER, add));
    start(&mut third);
    gate.open();
    first.await.unwrap();
    store.fail_next(Method::Replace, ErrorKind::Timeout);
    assert_eq!(second.await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(third.await.unwrap_err().kind(), ErrorKind::Timeout, "it was in the same write");
}

#[tokio::test]
async fn a_session_first_loaded_after_the_response_can_hand_over_no_token() {
    let app = app();
    let visitor = live(&app).await;
    for at_once in [true, false] {
        let lazy = visitor.open(&app.sessions);
        let finished = match at_once {
            true => lazy.finish_at_once(false).unwrap(),
            false => lazy.finish(false).await,
        };
        assert!(!finished.used);
        let session = lazy.load().await.unwrap();
        session.log_in(subject("ada"));
        assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::Misuse);
        assert!(
            visitor.open(&app.sessions).load().await.unwrap().exists(),
            "the token still works"
        );
        session.insert("later", &1).unwrap();
        session.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_session_that_this_node_cannot_read_can_be_logged_out() {
    let app = app();
    for sign_in in [false, true] {
        let mut visitor = live(&app).await;
        let before = visitor.clone();
        let other_node = elsewhere(&app, with_a_key);
        visitor
            .request(&other_node, async |session| {
                assert!(!session.exists());
                if sign_in {
                    session.log_in(subject("ada"));
                } else {
                    session.log_out();
                }
            })
            .await;
        assert!(!before.open(&app.sessions).load().await.unwrap().exists(), "dead everywhere");
    }
}

#[tokio::test]
async fn a_session_that_was_rotated_meanwhile_is_logged_out_all_the_same() {
    let app = app();
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.log_in(subject("ada"))).await;
    let lazy = visitor.open(&app.sessions);
    lazy.load().await.unwrap().log_out();
    let mut other = visitor.clone();
    other.request(&app.sessions, async |session| session.rotate()).await;
    assert!(lazy.finish(false).await.error.is_none());
    assert!(!other.open(&app.sessions).load().await.unwrap().exists());
    assert!(app.store.is_empty());
}

/// With something to say to who has signed out, or to sign in as somebody else.
#[tokio::test]
async fn a_session_that_was_rotated_meanwhile_ends_for_one_that_takes_its_place() {
    type Act = fn(&Session);
    for (rotated, act) in [
        (true, (|session| session.log_in(subject("bob"))) as Act),
        (false, |session| session.log_in(subject("bob"))),
        (true, |session| {
            session.log_out();
            session.flash(Level::Success, "signed out").unwrap();
        }),
    ] {
        let app = app();
        let mut visitor = Visitor::default();
        visitor.request(&app.sessions, async |session| session.log_in(subject("ada"))).await;
        let mut late = visitor.clone();
        let lazy = late.open(&app.sessions);
        act(&lazy.load().await.unwrap());
        visitor
            .request(
                &app.sessions,
                async |session| {
                    if rotated { session.rotate() } else { session.destroy() }
                },
            )
            .await;
        let finished = lazy.finish(false).await;
        assert!(finished.error.is_none(), "{finished:?}");
        late.receive(&finished);
        assert!(!visitor.open(&app.sessions).load().await.unwrap().exists());
        let new = late.open(&app.sessions).load().await.unwrap();
        assert!(new.exists() && new.subject() != Some(subject("ada")));
        assert_eq!(app.store.len(), 1);
    }
}

#[tokio::test]
async fn a_closure_that_panics_while_saving_takes_nothing_with_it() {
    let app = app();
    let visitor = live(&app).await;
    let lazy = visitor.open(&app.sessions);
    let session = lazy.load().await.unwrap();
    let runs = AtomicUsize::new(0);
    let fragile = move |n| {
        assert_eq!(runs.fetch_add(1, Ordering::SeqCst), 0, "a second run");
        add(n)
    };
    session.update(COUNTER, fragile).unwrap();
    let finishing = tokio::spawn(async move { lazy.finish(false).await });
    assert!(finishing.await.unwrap_err().is_panic());
    let session = visitor.open(&app.sessions).load().await.unwrap();
    assert_eq!(session.get(COUNTER).unwrap(), Some(1));
}

#[tokio::test]
async fn a_closure_that_keeps_changing_its_own_field_is_stopped() {
    let app = app();
    let session = live(&app).await.open(&app.sessions).load().await.unwrap();
    let inner = session.clone();
    session
        .update("a", move |n| {
            inner.insert("seen", &true).unwrap();
            add(n)
        })
        .unwrap();
    let inner = session.clone();
    let runs = AtomicUsize::new(0);
    let error = session.update("b", move |n| {
        inner.insert("b", &(runs.fetch_add(1, Ordering::SeqCst) as u64)).unwrap();
        add(n)
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Misuse);
}

#[tokio::test]
async fn going_back_to_the_usual_timeouts_is_told_to_the_browser() {
    let app = app();
    let mut visitor = Visitor::default();
    visitor
        .request(&app.sessions, async |session| {
            session.log_in(subject("ada"));
            session.set_timeouts(Timeouts::AAL1);
        })
        .await;
    let ((), finished) =
        visitor.visit(&app.sessions, async |session| session.set_timeouts(None)).await;
    assert!(!finished.header.unwrap().contains("Max-Age"), "no longer persistent");
}

#[tokio::test]
async fn timeouts_hold_whether_set_before_or_after_signing_in() {
    let app = app();
    let short = Timeouts::new(IDLE / 10, IDLE / 5).unwrap();
    for before in [true, false] {
        let mut visitor = Visitor::default();
        visitor.request(&app.sessions, async |session| session.log_in(subject("ada"))).await;
        visitor
            .request(&app.sessions, async |session| {
                if before {
                    session.set_timeouts(short);
                }
                session.log_in(subject("bob"));
                if !before {
                    session.set_timeouts(short);
                }
            })
            .await;
        let session = visitor.open(&app.sessions).load().await.unwrap();
        assert_eq!(session.timeouts(), short, "before: {before}");
    }
}

#[tokio::test]
async fn what_comes_to_nothing_creates_no_session() {
    let app = app();
    let mut visitor = Visitor::default();
    visitor
        .request(&app.sessions, async |session| {
            session.flash(Level::Info, "shown at once").unwrap();
            assert_eq!(session.take_flashes().unwrap().len(), 1);
            session.insert("a", &1).unwrap();
            session.remove("a");
            session.insert("b", &1).unwrap();
            session.clear();
        })
        .await;
    assert!(visitor.cookie.is_none() && app.store.is_empty());
}

#[tokio::test]
async fn destroying_lasts_until_it_is_saved() {
    let app = app();
    for mut visitor in [live(&app).await, Visitor::default()] {
        let before = visitor.cookie.clone();
        visitor
            .request(&app.sessions, async |session| {
                session.destroy();
                session.insert("ignored", &1).unwrap();
                session.commit().await.unwrap();
                session.insert("new", &1).unwrap();
            })
            .await;
        assert_ne!(visitor.cookie, before);
        visitor
            .request(&app.sessions, async |session| {
                assert!(session.contains("new") && !session.contains("ignored"));
                session.destroy();
            })
            .await;
        assert!(app.store.is_empty());
    }
}

#[tokio::test]
async fn what_is_being_saved_is_seen_as_if_it_were() {
    let (app, store) = faulty();
    let mut visitor = Visitor::default();
    visitor
        .request(&app.sessions, async |session| {
            session.log_in(subject("ada"));
            session.insert("secret", &1).unwrap();
        })
        .await;
    let session = visitor.open(&app.sessions).load().await.unwrap();
    session.log_out();
    let gate = store.hold_call(Method::Delete);
    let mut commit = Box::pin(session.commit());
    start(&mut commit);
    assert!(session.subject().is_none() && !session.contains("secret"));
    assert!(session.handle().is_none() && session.idle_deadline().is_none());
    gate.open();
    commit.await.unwrap();
    assert!(!session.exists());
}

#[tokio::test]
async fn data_of_one_subject_never_follows_into_the_session_of_another() {
    let (app, store) = faulty();
    let session = live(&app).await.open(&app.sessions).load().await.unwrap();
    session.log_in(subject("ada"));
    session.insert("secret", &"ada's").unwrap();
    let gate = store.hold_call(Method::Rotate);
    let mut commit = Box::pin(session.commit());
    start(&mut commit);
    session.log_in(subject("bob"));
    gate.open();
    commit.await.unwrap();
    session.commit().await.unwrap();
    assert_eq!(session.subject(), Some(subject("bob")));
    assert_eq!(session.get::<String>("secret").unwrap(), None);
}

#[tokio::test]
async fn saving_something_else_does_not_make_up_for_a_loss() {
    let (app, store) = faulty();
    let mut visitor = live(&app).await;
    store.fail_next(Method::Replace, ErrorKind::Timeout);
    let ((), finished) = visitor
        .visit(&app.sessions, async |session| {
            session.insert("paid", &true).unwrap();
            assert!(session.commit().await.is_err());
            session.flash(Level::Success, "done").unwrap();
        })
        .await;
    assert_eq!(finished.error.unwrap().kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_log_out_that_is_tried_again_makes_up_for_one_that_was_lost() {
    let (app, store) = faulty();
    let mut visitor = live(&app).await;
    store.fail_next(Method::Delete, ErrorKind::Timeout);
    visitor
        .request(&app.sessions, async |session| {
            session.log_out();
            assert!(session.commit().await.is_err());
            session.log_out();
            session.commit().await.unwrap();
        })
        .await;
    assert!(visitor.cookie.is_none() && app.store.is_empty());
}

#[tokio::test]
async fn what_one_format_has_decoded_is_not_taken_over_by_another() {
    let app = app();
    let visitor = live(&app).await;
    assert!(visitor.open(&app.sessions).load().await.unwrap().exists());
    let strict = elsewhere(&app, with_a_key);
    assert!(!visitor.open(&strict).load().await.unwrap().exists(), "it is not sealed");
}

#[tokio::test]
async fn revoking_does_not_end_well_while_new_sessions_keep_coming() {
    let (app, store) = faulty();
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.log_in(subject("ada"))).await;
    let ada = subject("ada");
    let mut revoking = Box::pin(app.sessions.revoke_all(&ada));
    let mut rounds = 0;
    let revoked = loop {
        let gate = store.hold_reply(Method::List);
        match revoking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            std::task::Poll::Ready(revoked) => break revoked,
            std::task::Poll::Pending => {
                visitor = Visitor::default();
                visitor.request(&app.sessions, async |s| s.log_in(subject("ada"))).await;
                rounds += 1;
                assert!(rounds < 100, "rounds are bounded");
                gate.open();
            }
        }
    };
    assert_eq!(revoked.unwrap_err().kind(), ErrorKind::Conflict);
}

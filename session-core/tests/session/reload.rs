//! A policy that is replaced while requests are under way.

use std::sync::Arc;
use std::time::Duration;

use session_core::codec::{Cbor, Limits};
use session_core::{
    Caching, ErrorKind, KeyRing, SameSite, Session, SessionCookie, SessionHeader, SessionLimit,
    Sessions, SessionsBuilder, Subject, Timeouts,
};
use session_memory::MemoryStore;

use crate::visitor::{ABSOLUTE, App, IDLE, Visitor, app, app_with};

const SHORT: Duration = Duration::from_secs(10);

fn shorter() -> Timeouts {
    Timeouts::new(SHORT, ABSOLUTE).unwrap()
}

fn ring(secrets: &[u8]) -> KeyRing {
    KeyRing::new(secrets.iter().map(|byte| vec![*byte; 32])).unwrap()
}

fn reload(app: &App, change: impl FnOnce(SessionsBuilder) -> SessionsBuilder) {
    app.sessions.reload(change(app.sessions.rebuild())).unwrap();
}

async fn signed_up(app: &App) -> Visitor {
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert("name", &"Ada").unwrap()).await;
    visitor
}

/// What a visitor's session says of its name, `None` if there is no session.
async fn name(app: &App, visitor: &Visitor) -> Option<String> {
    visitor.open(&app.sessions).load().await.unwrap().get("name").unwrap()
}

#[tokio::test]
async fn timeouts_follow_in_all_clones_and_in_sessions_when_they_are_used() {
    let app = app();
    let mut visitor = signed_up(&app).await;
    let clone = app.sessions.clone();
    reload(&app, |builder| builder.timeouts(shorter()));
    assert_eq!(clone.timeouts(), shorter());
    // Written before, and not used since.
    app.clock.advance(SHORT);
    assert!(name(&app, &visitor).await.is_some());
    visitor.request(&clone, async |session| session.insert("used", &true).unwrap()).await;
    app.clock.advance(SHORT);
    assert!(name(&app, &visitor).await.is_none());
}

#[tokio::test]
async fn a_request_ends_by_the_policy_it_began_with() {
    let app = app_with(|builder| builder.cookie(SessionCookie::new("id").signed(ring(&[1]))));
    let visitor = Visitor::default();
    let lazy = visitor.open(&app.sessions);
    let session = lazy.load().await.unwrap();
    session.insert("name", &"Ada").unwrap();
    let changed = SessionCookie::new("id").signed(ring(&[2, 1])).same_site(SameSite::Strict);
    reload(&app, |builder| builder.timeouts(shorter()).cookie(changed));
    let finished = lazy.finish(false).await;
    assert!(finished.error.is_none());
    let header = finished.header.unwrap();
    assert!(header.contains("SameSite=Lax"), "{header}");
    assert_eq!(session.timeouts().idle(), IDLE);
    // What it was given then is good for the next one.
    let cookie = header.split(';').next().unwrap().to_owned();
    let visitor = Visitor { cookie: Some(cookie) };
    assert_eq!(name(&app, &visitor).await.as_deref(), Some("Ada"));
}

#[tokio::test]
async fn attributes_of_the_cookie_follow_when_it_is_set_anew() {
    let app = app();
    let mut visitor = signed_up(&app).await;
    reload(&app, |builder| builder.cookie(SessionCookie::new("id").same_site(SameSite::Strict)));
    let ((), finished) = visitor.visit(&app.sessions, async |session| session.rotate()).await;
    let header = finished.header.unwrap();
    assert!(header.contains("SameSite=Strict"), "{header}");
}

#[tokio::test]
async fn keys_are_replaced_without_ending_sessions_and_removed_ones_end_theirs() {
    type Build = fn(SessionsBuilder, KeyRing) -> SessionsBuilder;
    let ways: [Build; 3] = [
        |builder, keys| builder.encrypt(keys),
        |builder, keys| builder.cookie(SessionCookie::new("id").signed(keys)),
        |builder, keys| builder.cookie(SessionCookie::new("id").encrypted(keys)),
    ];
    for way in ways {
        let app = app_with(|builder| way(builder, ring(&[1])));
        let old = signed_up(&app).await;
        reload(&app, |builder| way(builder, ring(&[2, 1])));
        assert_eq!(name(&app, &old).await.as_deref(), Some("Ada"));
        let new = signed_up(&app).await;
        reload(&app, |builder| way(builder, ring(&[2])));
        assert_eq!(name(&app, &new).await.as_deref(), Some("Ada"));
        // Decoded already, in the store's memory, and yet no longer this session.
        assert_eq!(name(&app, &old).await, None);
    }
}

#[tokio::test]
async fn limits_follow_at_once() {
    let app = app();
    reload(&app, |builder| {
        let limits = Limits::default().with_max_payload(16).unwrap();
        builder.limits(limits).caching(Caching::NoCacheSetCookie)
    });
    assert_eq!(app.sessions.caching(), Caching::NoCacheSetCookie);
    let session = Visitor::default().open(&app.sessions).load().await.unwrap();
    let error = session.insert("name", &"a name of more than sixteen bytes").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);

    reload(&app, |builder| builder.session_limit(SessionLimit::refuse(1).unwrap()));
    for is_let_in in [true, false] {
        let mut visitor = Visitor::default();
        let log_in = async |session: &Session| {
            session.log_in(Subject::new("ada").unwrap());
        };
        let ((), finished) = visitor.visit(&app.sessions, log_in).await;
        assert_eq!(finished.error.is_none(), is_let_in, "{finished:?}");
    }
}

#[test]
fn what_cannot_change_says_so_and_leaves_everything_as_it_was() {
    type Change = fn(SessionsBuilder) -> SessionsBuilder;
    let cookie = || SessionCookie::new("id");
    let store = MemoryStore::new();
    let sessions = Sessions::builder(store.clone()).cookie(cookie()).build().unwrap();
    let changes: [(&str, Change); 10] = [
        ("namespace", |builder| builder.namespace("other")),
        ("codec", |builder| builder.codec(Cbor)),
        ("encrypt", |builder| builder.encrypt(ring(&[1]))),
        ("transport", |builder| builder.header(SessionHeader::bearer())),
        ("cookie.name", |builder| builder.cookie(SessionCookie::new("new"))),
        ("cookie.path", |builder| builder.cookie(SessionCookie::new("id").path("/app"))),
        ("cookie.domain", |builder| builder.cookie(SessionCookie::new("id").domain("a.example"))),
        ("cookie.partitioned", |builder| builder.cookie(SessionCookie::new("id").partitioned())),
        ("cookie.protection", |builder| {
            builder.cookie(SessionCookie::new("id").signed(ring(&[1])))
        }),
        // Wrong in itself, as when sessions are built.
        ("touch_after", |builder| builder.touch_after(2.0)),
    ];
    for (field, change) in changes {
        let builder = change(sessions.rebuild().timeouts(shorter()));
        let error = sessions.reload(builder).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{field}");
        assert_eq!(error.context("field"), Some(field), "{error}");
        assert_eq!(sessions.timeouts(), Timeouts::default());
    }
    let elsewhere = Sessions::builder(store).cookie(cookie());
    assert_eq!(sessions.reload(elsewhere).unwrap_err().context("field"), Some("store"));
    let same = Sessions::builder_shared(sessions.store_shared()).cookie(cookie());
    sessions.reload(same.timeouts(shorter())).unwrap();
    assert_eq!(sessions.timeouts(), shorter());
}

#[test]
fn a_header_keeps_its_names() {
    let header = |name: &str| SessionHeader::named("x-id").response_header_named(name);
    let sessions =
        Sessions::builder(MemoryStore::new()).header(header("x-new-id")).build().unwrap();
    sessions.reload(sessions.rebuild().timeouts(shorter())).unwrap();
    let error = sessions.reload(sessions.rebuild().header(header("x-other"))).unwrap_err();
    assert_eq!(error.context("field"), Some("transport"));
    assert_eq!(sessions.response_header(), "x-new-id");
}

/// Requests that go on while the policy is replaced again and again: none fails, none loses what
/// it wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_dropped_by_reloads() {
    let app = Arc::new(app_with(|builder| builder.encrypt(ring(&[1, 2]))));
    let visitor = signed_up(&app).await;
    let requests = (0..4).map(|_| {
        let (app, mut visitor) = (Arc::clone(&app), visitor.clone());
        tokio::spawn(async move {
            for _ in 0..200 {
                let count = |count: Option<u64>| count.unwrap_or(0) + 1;
                visitor
                    .request(&app.sessions, async |session| session.update("count", count).unwrap())
                    .await;
                tokio::task::yield_now().await;
            }
        })
    });
    let requests: Vec<_> = requests.collect();
    let mut reloads = 0;
    while requests.iter().any(|request| !request.is_finished()) {
        for keys in [[2, 1], [1, 2]] {
            reload(&app, |builder| builder.timeouts(shorter()).encrypt(ring(&keys)));
            let mut visitor = visitor.clone();
            let write = async |session: &Session| session.insert("reloads", &reloads).unwrap();
            visitor.request(&app.sessions, write).await;
            reloads += 1;
        }
    }
    for request in requests {
        request.await.unwrap();
    }
    assert!(reloads > 1, "{reloads}");
    let session = visitor.open(&app.sessions).load().await.unwrap();
    assert_eq!(session.get::<u64>("count").unwrap(), Some(800));
}

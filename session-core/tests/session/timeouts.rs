//! How long sessions live, on a clock that the tests set.

use std::time::Duration;

use session_core::{CookieLifetime, SessionCookie, Timeouts};

use crate::visitor::{ABSOLUTE, App, IDLE, Visitor, app, app_with};

async fn signed_up(app: &App) -> Visitor {
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert("name", &"Ada").unwrap()).await;
    visitor
}

async fn is_alive(app: &App, visitor: &Visitor) -> bool {
    visitor.open(&app.sessions).load().await.unwrap().exists()
}

#[tokio::test]
async fn an_idle_session_ends_at_its_deadline() {
    let app = app();
    let visitor = signed_up(&app).await;
    app.clock.advance(IDLE - Duration::from_millis(1));
    assert!(is_alive(&app, &visitor).await);
    app.clock.advance(Duration::from_millis(1));
    assert!(!is_alive(&app, &visitor).await);
}

#[tokio::test]
async fn use_extends_a_session_up_to_its_absolute_deadline() {
    let app = app();
    let mut visitor = signed_up(&app).await;
    let steps = ABSOLUTE.as_secs() / 50;
    for step in 1..=steps {
        app.clock.advance(Duration::from_secs(50));
        let alive = visitor.request(&app.sessions, async |session| session.exists()).await;
        assert_eq!(alive, step < steps, "after {} s", step * 50);
    }
}

#[tokio::test]
async fn a_session_in_constant_use_lives_until_its_absolute_deadline() {
    let app = app();
    let mut visitor = signed_up(&app).await;
    let seconds = ABSOLUTE.as_secs();
    for second in 1..=seconds {
        app.clock.advance(Duration::from_secs(1));
        let alive = visitor.request(&app.sessions, async |session| session.exists()).await;
        assert_eq!(alive, second < seconds, "after {second} s");
    }
}

#[tokio::test]
async fn writing_extends_no_further_than_reading() {
    let app = app();
    let mut visitor = signed_up(&app).await;
    let steps = ABSOLUTE.as_secs() / 50;
    for step in 1..=steps {
        app.clock.advance(Duration::from_secs(50));
        visitor
            .request(&app.sessions, async |session| {
                assert_eq!(session.exists(), step < steps, "after {} s", step * 50);
                if session.exists() {
                    session.insert("step", &step).unwrap();
                }
            })
            .await;
    }
}

#[tokio::test]
async fn only_a_tenth_of_the_idle_timeout_is_worth_a_touch() {
    let app = app();
    let mut visitor = signed_up(&app).await;
    let mut deadline_after = async |advance| {
        app.clock.advance(advance);
        visitor.request(&app.sessions, async |_| ()).await;
        let session = visitor.open(&app.sessions).load().await.unwrap();
        session.idle_deadline().unwrap()
    };
    let first = deadline_after(Duration::ZERO).await;
    assert_eq!(deadline_after(Duration::from_millis(9_999)).await, first);
    let second = deadline_after(Duration::from_millis(1)).await;
    assert_eq!(second, first.plus(Duration::from_secs(10)));
}

#[tokio::test]
async fn remember_me_holds_for_later_requests() {
    let app = app();
    let mut visitor = signed_up(&app).await;
    let long = Timeouts::new(IDLE * 100, ABSOLUTE * 100).unwrap();
    let ((), finished) =
        visitor.visit(&app.sessions, async |session| session.set_timeouts(long)).await;
    let seconds = (IDLE * 100).as_secs();
    assert!(finished.header.unwrap().contains(&format!("; Max-Age={seconds}")), "persistent now");

    for _ in 0..3 {
        app.clock.advance(IDLE * 50);
        let ((), finished) = visitor
            .visit(&app.sessions, async |session| {
                assert_eq!(session.timeouts(), long);
                assert!(session.exists());
            })
            .await;
        assert!(finished.header.unwrap().contains("; Max-Age="), "renewed with the deadline");
        visitor.request(&app.sessions, async |session| session.insert("a", &1).unwrap()).await;
    }
    visitor.request(&app.sessions, async |session| session.set_timeouts(None)).await;
    app.clock.advance(IDLE);
    assert!(!is_alive(&app, &visitor).await, "the application's timeouts again");
}

#[tokio::test]
async fn shorter_timeouts_hold_at_once() {
    let app = app();
    let mut visitor = signed_up(&app).await;
    let second = Duration::from_secs(1);
    let short = Timeouts::new(second, second * 3).unwrap();
    visitor.request(&app.sessions, async |session| session.set_timeouts(short)).await;
    for _ in 0..5 {
        app.clock.advance(second / 2);
        assert!(visitor.request(&app.sessions, async |session| session.exists()).await);
    }
    app.clock.advance(second / 2);
    assert!(!is_alive(&app, &visitor).await, "three seconds are three seconds");
}

#[tokio::test]
async fn a_persistent_cookie_lasts_as_long_as_the_session() {
    let cookie = SessionCookie::new("id").lifetime(CookieLifetime::Persistent);
    let app = app_with(|builder| builder.cookie(cookie));
    let mut visitor = Visitor::default();
    let store = async |session: &session_core::Session| session.insert("a", &1).unwrap();
    let ((), finished) = visitor.visit(&app.sessions, store).await;
    assert!(finished.header.unwrap().contains("; Max-Age=100"));

    let ((), finished) = visitor.visit(&app.sessions, async |_| ()).await;
    assert_eq!(finished.header, None, "nothing has moved");
    app.clock.advance(Duration::from_secs(10));
    let ((), finished) = visitor.visit(&app.sessions, async |_| ()).await;
    assert!(finished.header.unwrap().contains("; Max-Age=100"), "touched");
    app.clock.advance(Duration::from_secs(1));
    let ((), finished) = visitor.visit(&app.sessions, store).await;
    assert!(finished.header.unwrap().contains("; Max-Age=100"), "written");
}

#[tokio::test]
async fn circumstances_alone_create_no_session() {
    let app = app();
    let long = Timeouts::new(IDLE * 2, ABSOLUTE * 2).unwrap();
    let mut visitor = Visitor::default();
    let ((), finished) = visitor
        .visit(&app.sessions, async |session| {
            session.set_timeouts(long);
            session.rotate();
            session.clear();
            session.remove("nothing");
            session.take_flashes().unwrap();
        })
        .await;
    assert!(finished.header.is_none() && app.store.is_empty());

    visitor
        .request(&app.sessions, async |session| {
            session.set_timeouts(long);
            session.insert("a", &1).unwrap();
        })
        .await;
    assert!(visitor.request(&app.sessions, async |session| session.timeouts() == long).await);
}

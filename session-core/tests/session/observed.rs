//! What those who watch are told.

use std::io;
use std::sync::{Arc, Mutex};

use session_core::{
    Ending, ErrorKind, Key, KeyRing, Load, Loaded, Observer, Payload, Record, Rejection, Session,
    SessionCookie, SessionEvent, SessionLimit, SessionsBuilder, Source, Stage, Store as _, Subject,
    Token,
};
use session_testkit::{FaultyStore, Method};
use tracing_subscriber::fmt::format::FmtSpan;

use crate::visitor::{App, IDLE, Visitor, app_over, app_with};

#[derive(Debug, Default)]
struct Watching(Mutex<Vec<SessionEvent>>);

impl Observer for Watching {
    fn observe(&self, event: SessionEvent) {
        self.0.lock().unwrap().push(event);
    }
}

impl Watching {
    /// What was told since it was last asked.
    fn told(&self) -> Vec<SessionEvent> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn watched(build: impl FnOnce(SessionsBuilder) -> SessionsBuilder) -> (App, Arc<Watching>) {
    let watching = Arc::new(Watching::default());
    let observer = Arc::clone(&watching) as Arc<dyn Observer>;
    (app_with(|builder| build(builder.observer(observer))), watching)
}

const FOUND: SessionEvent = SessionEvent::Loaded(Source::Shared);

fn ada() -> Subject {
    Subject::new("ada").unwrap()
}

/// A visitor with a session that is stored; what that told is forgotten.
async fn live(app: &App, watching: &Watching) -> Visitor {
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert("a", &1).unwrap()).await;
    watching.told();
    visitor
}

#[tokio::test]
async fn a_life_is_told() {
    let (app, watching) = watched(|builder| builder);
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.is_empty()).await;
    assert_eq!(watching.told(), [], "nobody came");

    type Step = fn(&Session);
    let steps: [(Step, &[SessionEvent]); 6] = [
        (|session| session.insert("a", &1).unwrap(), &[SessionEvent::Created]),
        (|session| session.insert("a", &2).unwrap(), &[FOUND, SessionEvent::Replaced]),
        (|session| session.log_in(ada()), &[FOUND, SessionEvent::Rotated]),
        (|_| {}, &[FOUND]),
        (
            |session| {
                session.log_out();
                session.insert("theme", &"dark").unwrap();
            },
            &[FOUND, SessionEvent::Destroyed(Ending::Request), SessionEvent::Created],
        ),
        (Session::log_out, &[FOUND, SessionEvent::Destroyed(Ending::Request)]),
    ];
    for (number, (handle, expected)) in steps.into_iter().enumerate() {
        visitor.request(&app.sessions, async |session| handle(session)).await;
        assert_eq!(watching.told(), expected, "step {number}");
    }
}

#[tokio::test]
async fn touches_and_ends_are_told_apart() {
    let (app, watching) = watched(|builder| builder);
    let mut visitor = live(&app, &watching).await;
    app.clock.advance(IDLE / 2);
    visitor.request(&app.sessions, async |_| {}).await;
    assert_eq!(watching.told(), [FOUND, SessionEvent::Touched]);

    // Its time is over before it is saved.
    let expiring = visitor.open(&app.sessions);
    expiring.load().await.unwrap().insert("a", &2).unwrap();
    app.clock.advance(IDLE);
    assert_eq!(expiring.finish(false).await.error.unwrap().kind(), ErrorKind::Gone);
    let failed = SessionEvent::Failed(Stage::Save, ErrorKind::Gone);
    assert_eq!(watching.told(), [FOUND, SessionEvent::Expired, failed]);
    visitor.request(&app.sessions, async |_| {}).await;
    assert_eq!(watching.told(), [SessionEvent::Absent]);

    // Somebody ends it before it is saved.
    let mut visitor = live(&app, &watching).await;
    let slow = visitor.open(&app.sessions);
    slow.load().await.unwrap().insert("a", &2).unwrap();
    visitor.request(&app.sessions, async |session| session.log_out()).await;
    watching.told();
    assert!(slow.finish(false).await.error.is_some());
    assert_eq!(watching.told(), [SessionEvent::Gone, failed]);

    // The same of a touch, for which no request fails.
    for (pause, expected) in [(IDLE / 2, SessionEvent::Gone), (IDLE, SessionEvent::Expired)] {
        let visitor = live(&app, &watching).await;
        let slow = visitor.open(&app.sessions);
        slow.load().await.unwrap();
        visitor.clone().request(&app.sessions, async |session| session.log_out()).await;
        app.clock.advance(pause);
        watching.told();
        assert!(slow.finish(false).await.error.is_none());
        assert_eq!(watching.told(), [expected]);
    }
}

#[tokio::test]
async fn conflicts_and_replays_are_told() {
    let (app, watching) = watched(|builder| builder);
    let mut visitor = live(&app, &watching).await;
    let (first, second) = (visitor.open(&app.sessions), visitor.open(&app.sessions));
    for lazy in [&first, &second] {
        lazy.load().await.unwrap().update("a", |n: Option<u64>| n.unwrap_or(0) + 1).unwrap();
    }
    visitor.receive(&first.finish(false).await);
    watching.told();
    // As another process does: what this one writes is known to it.
    let key = Key::of(&token(&visitor), app.sessions.namespace());
    let record = stored(&app, &key).await;
    app.store.replace(&key, &record, record.revision).await.unwrap();
    assert!(second.finish(false).await.error.is_none());
    let told = watching.told();
    assert_eq!(
        told,
        [SessionEvent::Conflict, SessionEvent::Replaced, SessionEvent::Replayed(1)],
        "{told:?}"
    );
}

async fn stored(app: &App, key: &Key) -> Arc<Record> {
    match app.store.load(key, Load::default()).await.unwrap() {
        Loaded::Found { record, .. } => record,
        other => panic!("the session is alive: {other:?}"),
    }
}

fn token(visitor: &Visitor) -> Token {
    let (_, value) = visitor.cookie.as_ref().unwrap().split_once('=').unwrap();
    Token::parse(value.as_bytes()).unwrap()
}

#[tokio::test]
async fn tokens_that_are_none_are_told() {
    let rejected = |why| [SessionEvent::Rejected(why)];
    let (app, watching) = watched(|builder| builder);
    for (value, expected) in [
        ("nonsense".to_owned(), rejected(Rejection::Malformed)),
        ("x".repeat(1000), rejected(Rejection::Malformed)),
        (Token::random(&session_core::OsEntropy).unwrap().to_text(), [SessionEvent::Absent]),
    ] {
        Visitor::with_token(&value).request(&app.sessions, async |_| {}).await;
        assert_eq!(watching.told(), expected, "{value}");
    }
    let ring = KeyRing::new([vec![7; 32]]).unwrap();
    let (app, watching) = watched(|builder| builder.cookie(SessionCookie::new("id").signed(ring)));
    Visitor::with_token("forged").request(&app.sessions, async |_| {}).await;
    assert_eq!(watching.told(), rejected(Rejection::Unverified));
}

#[tokio::test]
async fn a_session_that_cannot_be_read_is_told() {
    let ring = || KeyRing::new([vec![7; 32]]).unwrap();
    let (app, watching) = watched(|builder| builder.encrypt(ring()));
    let mut visitor = live(&app, &watching).await;
    let key = Key::of(&token(&visitor), app.sessions.namespace());
    let record = stored(&app, &key).await;
    let damaged = Record { payload: Payload::new("{}"), ..(*record).clone() };
    app.store.replace(&key, &damaged, record.revision).await.unwrap();
    visitor.request(&app.sessions, async |session| session.log_in(ada())).await;
    let ended = SessionEvent::Destroyed(Ending::Request);
    assert_eq!(watching.told(), [SessionEvent::Unreadable, ended, SessionEvent::Created]);
}

#[tokio::test]
async fn outages_are_told() {
    let watching = Arc::new(Watching::default());
    let observer = Arc::clone(&watching) as Arc<dyn Observer>;
    let (app, store) = app_over(FaultyStore::new, |builder| builder.observer(observer));
    let visitor = live(&app, &watching).await;
    let failed = |stage, kind| SessionEvent::Failed(stage, kind);

    store.fail_next(Method::Load, ErrorKind::Timeout);
    visitor.open(&app.sessions).load().await.unwrap_err();
    assert_eq!(watching.told(), [failed(Stage::Load, ErrorKind::Timeout)]);

    store.fail_next(Method::Replace, ErrorKind::Unavailable);
    let lazy = visitor.open(&app.sessions);
    lazy.load().await.unwrap().insert("a", &2).unwrap();
    assert!(lazy.finish(false).await.error.is_some());
    assert_eq!(watching.told(), [FOUND, failed(Stage::Save, ErrorKind::Unavailable)]);

    store.fail_next(Method::Touch, ErrorKind::Timeout);
    app.clock.advance(IDLE / 2);
    visitor.clone().request(&app.sessions, async |_| {}).await;
    assert_eq!(watching.told(), [FOUND, failed(Stage::Touch, ErrorKind::Timeout)]);

    store.fail_next(Method::List, ErrorKind::Timeout);
    app.sessions.revoke_all(&ada()).await.unwrap_err();
    assert_eq!(watching.told(), [failed(Stage::Devices, ErrorKind::Timeout)]);
}

#[tokio::test]
async fn sessions_that_others_end_are_told() {
    let limit = SessionLimit::evict_oldest(2).unwrap();
    let (app, watching) = watched(|builder| builder.session_limit(limit));
    let log_in = async || {
        let mut visitor = Visitor::default();
        visitor.request(&app.sessions, async |session| session.log_in(ada())).await;
        app.clock.advance(std::time::Duration::from_secs(1));
        visitor
    };
    let ended = |by| SessionEvent::Destroyed(by);
    log_in().await;
    log_in().await;
    watching.told();
    log_in().await;
    assert_eq!(watching.told(), [ended(Ending::Limit), SessionEvent::Created]);

    let first = app.sessions.list(&ada()).await.unwrap()[0].handle;
    assert!(app.sessions.revoke(&ada(), first).await.unwrap());
    assert!(!app.sessions.revoke(&ada(), first).await.unwrap());
    assert_eq!(watching.told(), [ended(Ending::Revoked)]);
    assert_eq!(app.sessions.revoke_all(&ada()).await.unwrap(), 1);
    assert_eq!(watching.told(), [ended(Ending::Revoked)]);
}

/// Panics at everything.
#[derive(Debug)]
struct Clumsy {
    /// With something that panics when it is dropped.
    twice: bool,
}

struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("again");
        }
    }
}

impl Observer for Clumsy {
    fn observe(&self, _: SessionEvent) {
        assert!(self.twice, "an observer panics");
        std::panic::panic_any(Explosive);
    }
}

#[tokio::test]
async fn an_observer_that_panics_keeps_nothing_from_being_done() {
    for twice in [false, true] {
        all_is_done_beside(Clumsy { twice }).await;
    }
}

async fn all_is_done_beside(observer: Clumsy) {
    let watching = Arc::new(Watching::default());
    let second = Arc::clone(&watching) as Arc<dyn Observer>;
    let clumsy = app_with(|builder| builder.observer(Arc::new(observer)).observer(second));
    let mut visitor = Visitor::default();
    visitor.request(&clumsy.sessions, async |session| session.insert("a", &1).unwrap()).await;
    visitor.request(&clumsy.sessions, async |session| session.log_in(ada())).await;
    let kept = visitor.request(&clumsy.sessions, async |s| s.get::<u64>("a").unwrap()).await;
    assert_eq!(kept, Some(1));
    visitor.clone().request(&clumsy.sessions, async |session| session.log_out()).await;
    let exists = visitor.request(&clumsy.sessions, async |session| session.exists()).await;
    assert!(!exists, "it is deleted");
    let told = watching.told();
    let expected = [
        SessionEvent::Created,
        FOUND,
        SessionEvent::Rotated,
        FOUND,
        FOUND,
        SessionEvent::Destroyed(Ending::Request),
        SessionEvent::Absent,
    ];
    assert_eq!(told, expected, "the other one hears of everything");
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_work_of_a_request_is_in_two_spans() {
    // With but one subscriber, what a thread without any comes upon first would be of interest to
    // nobody.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (app, store) = app_over(FaultyStore::new, |builder| builder);
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert("a", &1).unwrap()).await;
    store.fail_next(Method::Replace, ErrorKind::Timeout);
    visitor
        .visit(&app.sessions, async |session| session.insert("a", &2).unwrap())
        .await
        .1
        .error
        .unwrap();

    let text = String::from_utf8(std::mem::take(&mut *lines.0.lock().unwrap())).unwrap();
    for span in [
        r#"session.load{session.outcome="none"}"#,
        r#"session.save{session.operation="create" session.conflicts=0 session.outcome="done"}"#,
        r#"session.load{session.outcome="found" session.source="shared"}"#,
        r#"session.save{session.operation="replace" session.conflicts=0 session.outcome="error" error.type="timeout" otel.status_code="ERROR"}"#,
    ] {
        assert!(text.contains(span), "{span}\n{text}");
    }
}

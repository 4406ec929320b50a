//! What each request costs the store and tells the client: the plan, counted.

use std::sync::Arc;
use std::time::Duration;

use session_core::{Session, SessionsBuilder, Subject, Token};
use session_testkit::{CountingStore, Counts};

use crate::visitor::{App, IDLE, Visitor, app_over};

struct Counted {
    app: App,
    store: Arc<CountingStore>,
}

fn counted(build: impl FnOnce(SessionsBuilder) -> SessionsBuilder) -> Counted {
    let (app, store) = app_over(CountingStore::new, build);
    Counted { app, store }
}

impl Counted {
    /// A visitor whose session has just been stored.
    async fn live(&self) -> Visitor {
        let mut visitor = Visitor::default();
        visitor.request(&self.app.sessions, async |session| session.insert("a", &1).unwrap()).await;
        visitor
    }

    /// A visitor whose session has just been signed out.
    async fn dead(&self) -> Visitor {
        let visitor = self.live().await;
        visitor.clone().request(&self.app.sessions, async |session| session.destroy()).await;
        visitor
    }

    /// What one request calls, and what its response says of the cookie.
    async fn cost(
        &self,
        mut visitor: Visitor,
        handle: impl AsyncFnOnce(&Session),
    ) -> (Counts, &'static str) {
        let before = self.store.counts();
        let ((), finished) = visitor.visit(&self.app.sessions, handle).await;
        assert!(finished.error.is_none() && finished.used, "{finished:?}");
        let told = match finished.header {
            None => "keep",
            Some(header) if header.starts_with("id=;") => "clear",
            Some(_) => "set",
        };
        (self.store.counts().since(before), told)
    }
}

fn read(session: &Session) {
    let _: Option<u64> = session.get("a").unwrap();
}

fn wrote(session: &Session) {
    session.insert("a", &2).unwrap();
}

#[tokio::test]
async fn nothing_arrived() {
    let counted = counted(|builder| builder);
    let none = Counts::default();
    for (handle, calls, told) in [
        (read as fn(&Session), none, "keep"),
        (Session::rotate, none, "keep"),
        (Session::destroy, none, "keep"),
        (Session::log_out, none, "keep"),
        (wrote, Counts { create: 1, ..none }, "set"),
    ] {
        let cost = counted.cost(Visitor::default(), async |session| handle(session)).await;
        assert_eq!(cost, (calls, told));
    }
}

#[tokio::test]
async fn a_live_session_arrived() {
    let counted = counted(|builder| builder);
    let one_load = Counts { load: 1, ..Counts::default() };
    for (handle, calls, told) in [
        (read as fn(&Session), one_load, "keep"),
        (wrote, Counts { replace: 1, ..one_load }, "keep"),
        (Session::rotate, Counts { rotate: 1, ..one_load }, "set"),
        (
            |session| session.log_in(Subject::new("ada").unwrap()),
            Counts { rotate: 1, ..one_load },
            "set",
        ),
        (Session::destroy, Counts { delete: 1, ..one_load }, "clear"),
        (Session::log_out, Counts { delete: 1, ..one_load }, "clear"),
    ] {
        let visitor = counted.live().await;
        assert_eq!(counted.cost(visitor, async |session| handle(session)).await, (calls, told));
    }
    let visitor = counted.live().await;
    counted.app.clock.advance(IDLE / 10);
    let cost = counted.cost(visitor.clone(), async |session| read(session)).await;
    assert_eq!(cost, (Counts { touch: 1, ..one_load }, "keep"), "a touch is due");
    let cost = counted.cost(visitor, async |session| read(session)).await;
    assert_eq!(cost, (one_load, "keep"), "and then it is not");
}

#[tokio::test]
async fn a_touch_that_gains_nothing_is_not_made() {
    let counted = counted(|builder| builder.touch_after(0.0));
    let one_load = Counts { load: 1, ..Counts::default() };
    let visitor = counted.live().await;
    let cost = counted.cost(visitor.clone(), async |session| read(session)).await;
    assert_eq!(cost, (one_load, "keep"));
    counted.app.clock.advance(Duration::from_millis(1));
    let cost = counted.cost(visitor, async |session| read(session)).await;
    assert_eq!(cost, (Counts { touch: 1, ..one_load }, "keep"));
}

#[tokio::test]
async fn a_dead_session_arrived() {
    let counted = counted(|builder| builder);
    let one_load = Counts { load: 1, ..Counts::default() };
    let expired = counted.live().await;
    counted.app.clock.advance(IDLE);
    let unknown = Token::random(&session_core::OsEntropy).unwrap().to_text();
    for visitor in [counted.dead().await, expired, Visitor::with_token(&unknown)] {
        for (handle, calls, told) in [
            (read as fn(&Session), one_load, "clear"),
            (Session::rotate, one_load, "clear"),
            (Session::destroy, one_load, "clear"),
            (wrote, Counts { create: 1, ..one_load }, "set"),
        ] {
            let cost = counted.cost(visitor.clone(), async |session| handle(session)).await;
            assert_eq!(cost, (calls, told));
        }
        let mut writer = visitor.clone();
        writer.request(&counted.app.sessions, async |session| wrote(session)).await;
        assert_ne!(writer.cookie, visitor.cookie, "never the id the client brought");
    }
}

#[tokio::test]
async fn what_is_no_token_never_reaches_the_store() {
    let counted = counted(|builder| builder);
    for cookie in ["id=", "id=x", "id=../../etc/passwd", "id=a; id=b", "id=\u{0}", "id=' OR 1=1--"]
    {
        let visitor = Visitor { cookie: Some(cookie.into()) };
        let cost = counted.cost(visitor.clone(), async |session| read(session)).await;
        assert_eq!(cost, (Counts::default(), "clear"), "{cookie:?}");
        let cost = counted.cost(visitor, async |session| wrote(session)).await;
        assert_eq!(cost, (Counts { create: 1, ..Counts::default() }, "set"), "{cookie:?}");
    }
}

#[tokio::test]
async fn a_forged_signature_never_reaches_the_store() {
    use session_core::{KeyRing, SessionCookie};
    let ring = || KeyRing::new([vec![7; 32]]).unwrap();
    for cookie in
        [SessionCookie::new("id").signed(ring()), SessionCookie::new("id").encrypted(ring())]
    {
        let counted = counted(|builder| builder.cookie(cookie));
        let genuine = counted.live().await;
        let (one_load, none) = (Counts { load: 1, ..Counts::default() }, Counts::default());
        let cost = counted.cost(genuine.clone(), async |session| read(session)).await;
        assert_eq!(cost, (one_load, "keep"));

        let mut value = genuine.cookie.unwrap();
        let last = if value.pop() == Some('A') { 'B' } else { 'A' };
        let forged = Visitor { cookie: Some(format!("{value}{last}")) };
        let unsigned = Token::random(&session_core::OsEntropy).unwrap().to_text();
        for visitor in [forged, Visitor::with_token(&unsigned)] {
            let cost = counted.cost(visitor, async |session| read(session)).await;
            assert_eq!(cost, (none, "clear"));
        }
    }
}

#[tokio::test]
async fn a_session_nobody_asks_for_is_not_even_looked_at() {
    let counted = counted(|builder| builder);
    let live = counted.live().await;
    counted.app.clock.advance(IDLE / 2);
    let before = counted.store.counts();
    for visitor in [live, Visitor::default(), Visitor::with_token("garbage")] {
        let lazy = visitor.open(&counted.app.sessions);
        let finished = lazy.finish(false).await;
        assert!(!finished.used && finished.header.is_none() && finished.error.is_none());
    }
    assert_eq!(counted.store.counts().since(before), Counts::default());
}

#[tokio::test]
async fn a_flood_of_unknown_ids_leaves_nothing_behind() {
    let counted = counted(|builder| builder);
    let before = counted.store.counts();
    for _ in 0..10_000 {
        let unknown = Token::random(&session_core::OsEntropy).unwrap().to_text();
        let lazy = Visitor::with_token(&unknown).open(&counted.app.sessions);
        assert!(!lazy.load().await.unwrap().exists());
        assert!(lazy.finish(false).await.error.is_none());
    }
    let calls = counted.store.counts().since(before);
    assert_eq!(calls, Counts { load: 10_000, ..Counts::default() });
    assert!(counted.app.store.is_empty());
}

#[tokio::test]
async fn several_kinds_of_session_do_not_mix() {
    use session_core::{SessionCookie, SessionHeader, Sessions};
    let counted = counted(|builder| builder);
    let over = |store: &session_memory::MemoryStore| {
        Sessions::builder(store.clone()).clock(Arc::new(counted.app.clock.clone()))
    };
    let admins = over(&counted.app.store).cookie(SessionCookie::new("admin")).build().unwrap();
    let devices = over(&counted.app.store).header(SessionHeader::bearer()).build().unwrap();
    let visitor = counted.live().await;
    let token = visitor.cookie.clone().unwrap().split_once('=').unwrap().1.to_owned();

    for (sessions, moved) in [
        (&admins, format!("admin={token}")),
        (&devices, format!("Bearer {token}")),
        (&admins, visitor.cookie.clone().unwrap()),
    ] {
        let session = sessions.open([moved.as_bytes()]).load().await.unwrap();
        assert!(!session.exists(), "{moved}: a token of one kind is none of another");
    }
    counted.app.clock.advance(Duration::from_secs(1));
    let cookies = format!("{}; admin=garbage", visitor.cookie.unwrap());
    assert!(counted.app.sessions.open([cookies.as_bytes()]).load().await.unwrap().exists());
}

#[tokio::test]
async fn bearer_tokens_travel_in_headers() {
    use session_core::{SessionHeader, Sessions};
    let sessions = Sessions::builder(session_memory::MemoryStore::new())
        .header(SessionHeader::bearer())
        .build()
        .unwrap();
    assert_eq!(
        (sessions.request_header(), sessions.response_header()),
        ("authorization", "session-token")
    );
    let lazy = sessions.open([]);
    lazy.load().await.unwrap().insert("a", &1).unwrap();
    let token = lazy.finish(false).await.header.unwrap();

    let authorization = format!("Bearer {token}");
    let lazy = sessions.open([authorization.as_bytes()]);
    let session = lazy.load().await.unwrap();
    assert_eq!(session.get("a").unwrap(), Some(1));
    session.destroy();
    assert_eq!(lazy.finish(false).await.header.as_deref(), Some(""), "forget it");
    assert!(!sessions.open([authorization.as_bytes()]).load().await.unwrap().exists());
}

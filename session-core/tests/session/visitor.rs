//! A client with one cookie, and the adapter between it and the sessions.

use std::sync::Arc;
use std::time::Duration;

use session_core::{
    CookieLifetime, Finished, LazySession, Session, SessionCookie, Sessions, SessionsBuilder,
    Store, Timeouts, Timestamp,
};
use session_memory::MemoryStore;
use session_testkit::{CountingStore, ManualClock};

pub(crate) const IDLE: Duration = Duration::from_secs(100);
pub(crate) const ABSOLUTE: Duration = Duration::from_secs(1000);

/// Sessions over an embedded store, on a clock that stands still.
pub(crate) struct App {
    pub(crate) clock: ManualClock,
    pub(crate) store: MemoryStore,
    pub(crate) sessions: Sessions,
}

pub(crate) fn app() -> App {
    app_with(|builder| builder)
}

/// An application whose sessions are built in some other way.
pub(crate) fn app_with(build: impl FnOnce(SessionsBuilder) -> SessionsBuilder) -> App {
    // Counting changes nothing.
    app_over(CountingStore::new, build).0
}

/// An application with something in front of its store.
pub(crate) fn app_over<S: Store>(
    wrap: impl FnOnce(Arc<dyn Store>) -> S,
    build: impl FnOnce(SessionsBuilder) -> SessionsBuilder,
) -> (App, Arc<S>) {
    let clock = ManualClock::new(Timestamp::from_millis(1_000_000));
    let store = MemoryStore::builder().clock(Arc::new(clock.clone())).build().unwrap();
    let wrapped = Arc::new(wrap(Arc::new(store.clone())));
    let cookie = SessionCookie::new("id").lifetime(CookieLifetime::Remembered);
    let builder = Sessions::builder_shared(Arc::clone(&wrapped) as Arc<dyn Store>)
        .cookie(cookie)
        .timeouts(Timeouts::new(IDLE, ABSOLUTE).unwrap())
        .clock(Arc::new(clock.clone()));
    let sessions = build(builder).build().unwrap();
    (App { clock, store, sessions }, wrapped)
}

/// What a browser keeps between two requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Visitor {
    pub(crate) cookie: Option<String>,
}

impl Visitor {
    pub(crate) fn with_token(token: &str) -> Self {
        Self { cookie: Some(format!("id={token}")) }
    }

    pub(crate) fn open(&self, sessions: &Sessions) -> LazySession {
        sessions.open(self.cookie.iter().map(|cookie| cookie.as_bytes()))
    }

    /// One request whose handler does `handle` and whose response is a success.
    pub(crate) async fn visit<T>(
        &mut self,
        sessions: &Sessions,
        handle: impl AsyncFnOnce(&Session) -> T,
    ) -> (T, Finished) {
        let lazy = self.open(sessions);
        let session = lazy.load().await.unwrap();
        let answer = handle(&session).await;
        let finished = lazy.finish(false).await;
        self.receive(&finished);
        (answer, finished)
    }

    /// As [`visit`](Self::visit), for requests that must not fail.
    pub(crate) async fn request<T>(
        &mut self,
        sessions: &Sessions,
        handle: impl AsyncFnOnce(&Session) -> T,
    ) -> T {
        let (answer, finished) = self.visit(sessions, handle).await;
        assert!(finished.error.is_none(), "{finished:?}");
        answer
    }

    /// Takes what a response says of the cookie.
    pub(crate) fn receive(&mut self, finished: &Finished) {
        if let Some(set_cookie) = &finished.header {
            let pair = set_cookie.split("; ").next().unwrap();
            self.cookie = (pair != "id=").then(|| pair.to_owned());
        }
    }
}

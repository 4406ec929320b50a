//! A client that keeps one cookie, in front of a router that is called without a socket.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use session_core::{SessionCookie, Sessions, SessionsBuilder, Store};
use session_memory::MemoryStore;
use session_testkit::{CountingStore, FaultyStore};
use tower::ServiceExt as _;

/// An embedded store that can fail and counts what still gets through to it.
pub(crate) struct Backend {
    pub(crate) memory: MemoryStore,
    pub(crate) counting: Arc<CountingStore>,
    pub(crate) faulty: Arc<FaultyStore>,
}

impl Backend {
    pub(crate) fn new() -> Self {
        let memory = MemoryStore::new();
        let faulty = Arc::new(FaultyStore::new(Arc::new(memory.clone())));
        let counting = Arc::new(CountingStore::new(Arc::clone(&faulty) as Arc<dyn Store>));
        Self { memory, counting, faulty }
    }

    pub(crate) fn builder(&self) -> SessionsBuilder {
        Sessions::builder_shared(Arc::clone(&self.counting) as Arc<dyn Store>)
            .cookie(SessionCookie::new("id"))
    }

    pub(crate) fn sessions(&self) -> Sessions {
        self.builder().build().unwrap()
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }
}

#[derive(Clone, Default)]
pub(crate) struct Client {
    pub(crate) cookie: Option<String>,
}

impl Client {
    pub(crate) async fn get(&mut self, app: &Router, path: &str) -> Answer {
        let cookie = self.cookie.as_deref().map(|cookie| ("cookie", cookie));
        let answer = ask(app, path, cookie).await;
        if let Some(set_cookie) = answer.header("set-cookie").first() {
            let pair = set_cookie.split("; ").next().unwrap();
            self.cookie = (pair != "id=").then(|| pair.to_owned());
        }
        answer
    }
}

/// Asks with no header but this one.
pub(crate) async fn ask(app: &Router, path: &str, header: Option<(&str, &str)>) -> Answer {
    let mut request = Request::get(path);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.into()).unwrap();
    Answer { status: head.status, headers: head.headers, body }
}

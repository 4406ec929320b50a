//! A service with sessions of actix-session, and a client that keeps one cookie.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_session::config::{PersistentSession, TtlExtensionPolicy};
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::dev::Service as _;
use actix_web::error::ErrorUnauthorized;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, SET_COOKIE};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, web};
use session_actix_session::ActixSessionStore;
use session_core::Store;

use crate::nodes::Nodes;

pub(crate) const TTL: time::Duration = time::Duration::hours(1);

/// The service on one node, without a socket.
pub(crate) type Node = Rc<dyn Fn(TestRequest) -> Pin<Box<dyn Future<Output = Answer>>>>;

/// The service on each node.
pub(crate) async fn apps(nodes: &Nodes) -> [Node; 2] {
    let [a, b] = [&nodes.a, &nodes.b].map(|node| adapter(nodes, Arc::clone(node) as _));
    [app(a).await, app(b).await]
}

pub(crate) fn adapter(nodes: &Nodes, store: Arc<dyn Store>) -> ActixSessionStore {
    let builder = ActixSessionStore::builder_shared(store);
    builder.clock(Arc::new(nodes.clock.clone())).build().unwrap()
}

async fn app(store: ActixSessionStore) -> Node {
    let lifecycle = PersistentSession::default()
        .session_ttl(TTL)
        .session_ttl_extension_policy(TtlExtensionPolicy::OnEveryRequest);
    let sessions =
        SessionMiddleware::builder(store, Key::from(&[7; 64])).session_lifecycle(lifecycle).build();
    let app = App::new()
        .wrap(sessions)
        .route("/log-in", web::get().to(log_in))
        .route("/me", web::get().to(me))
        .route("/edit", web::get().to(edit))
        .route("/renew", web::get().to(renew))
        .route("/log-out", web::get().to(log_out));
    let app = Rc::new(init_service(app).await);
    Rc::new(move |request| {
        let app = Rc::clone(&app);
        Box::pin(async move {
            match app.call(request.to_request()).await {
                Ok(response) => Answer::of(response.status(), response.headers()),
                // As the server does with it.
                Err(error) => {
                    let response = error.error_response();
                    Answer::of(response.status(), response.headers())
                }
            }
        })
    })
}

async fn log_in(session: Session) -> Result<&'static str, Error> {
    session.renew();
    session.insert("user", "ada")?;
    Ok("")
}

async fn me(session: Session) -> Result<String, Error> {
    session.get("user")?.ok_or_else(|| ErrorUnauthorized(""))
}

async fn edit(session: Session) -> Result<&'static str, Error> {
    session.insert("draft", "…")?;
    Ok("")
}

async fn renew(session: Session) -> &'static str {
    session.renew();
    ""
}

async fn log_out(session: Session) -> &'static str {
    session.purge();
    ""
}

/// The status, and what was set.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) set_cookie: Option<String>,
}

impl Answer {
    /// Refused, and nothing set.
    pub(crate) const FAILED: Self = Self { status: 500, set_cookie: None };

    fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        let set_cookie = headers.get(SET_COOKIE);
        let set_cookie = set_cookie.map(|value| value.to_str().unwrap().to_owned());
        Self { status: status.as_u16(), set_cookie }
    }
}

#[derive(Clone, Default)]
pub(crate) struct Client {
    cookie: Option<String>,
}

impl Client {
    pub(crate) async fn logged_in(node: &Node) -> Self {
        let mut client = Self::default();
        assert_eq!(client.get(node, "/log-in").await.status, 200);
        client
    }

    /// Sends a request, and keeps what the response sets.
    pub(crate) async fn get(&mut self, node: &Node, path: &str) -> Answer {
        let mut request = TestRequest::with_uri(path);
        if let Some(cookie) = &self.cookie {
            request = request.insert_header(("cookie", cookie.as_str()));
        }
        let answer = node(request).await;
        if let Some(set_cookie) = &answer.set_cookie {
            let pair = set_cookie.split("; ").next().unwrap();
            self.cookie = (pair != "id=").then(|| pair.to_owned());
        }
        answer
    }

    pub(crate) async fn status(&self, node: &Node, path: &str) -> u16 {
        self.clone().get(node, path).await.status
    }
}

//! A service with sessions of tower-sessions, and a client that keeps one cookie.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::post;
use session_core::Store;
use session_tower_sessions::TowerSessionStore;
use tower::ServiceExt as _;
use tower_sessions::session::Error;
use tower_sessions::{Expiry, Session, SessionManagerLayer};

use crate::nodes::Nodes;

pub(crate) const IDLE: time::Duration = time::Duration::hours(1);

/// The service on each node.
pub(crate) fn apps(nodes: &Nodes) -> [Router; 2] {
    [&nodes.a, &nodes.b].map(|node| app(adapter(nodes, Arc::clone(node) as _)))
}

pub(crate) fn adapter(nodes: &Nodes, store: Arc<dyn Store>) -> TowerSessionStore {
    let builder = TowerSessionStore::builder_shared(store);
    builder.clock(Arc::new(nodes.clock.clone())).build().unwrap()
}

fn app(store: TowerSessionStore) -> Router {
    let sessions = SessionManagerLayer::new(store).with_expiry(Expiry::OnInactivity(IDLE));
    Router::new()
        .route("/log-in", post(log_in))
        .route("/me", post(me))
        .route("/edit", post(edit))
        .route("/renew", post(renew))
        .route("/log-out", post(log_out))
        .layer(sessions)
}

async fn log_in(session: Session) -> Result<(), StatusCode> {
    session.cycle_id().await.map_err(failed)?;
    session.insert("user", "ada").await.map_err(failed)
}

async fn me(session: Session) -> Result<String, StatusCode> {
    let user: Option<String> = session.get("user").await.map_err(failed)?;
    user.ok_or(StatusCode::UNAUTHORIZED)
}

async fn edit(session: Session) -> Result<(), StatusCode> {
    session.insert("draft", "…").await.map_err(failed)
}

async fn renew(session: Session) -> Result<(), StatusCode> {
    session.cycle_id().await.map_err(failed)
}

async fn log_out(session: Session) -> Result<(), StatusCode> {
    session.flush().await.map_err(failed)
}

/// Whatever it is: who asks for the session and does not get it has no answer.
fn failed(_: Error) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

#[derive(Clone, Default)]
pub(crate) struct Client {
    cookie: Option<String>,
}

/// The status, and what was set.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) set_cookie: Option<String>,
}

impl Client {
    pub(crate) async fn logged_in(app: &Router) -> Self {
        let mut client = Self::default();
        assert_eq!(client.post(app, "/log-in").await.status, 200);
        client
    }

    /// Sends a request, and keeps what the response sets.
    pub(crate) async fn post(&mut self, app: &Router, path: &str) -> Answer {
        let cookie = self.cookie.as_deref().unwrap_or_default();
        let request = Request::post(path).header("cookie", cookie).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let set_cookie = response.headers().get("set-cookie");
        let set_cookie = set_cookie.map(|value| value.to_str().unwrap().to_owned());
        if let Some(set_cookie) = &set_cookie {
            let pair = set_cookie.split("; ").next().unwrap();
            self.cookie = (pair != "id=").then(|| pair.to_owned());
        }
        Answer { status: response.status().as_u16(), set_cookie }
    }

    pub(crate) async fn status(&self, app: &Router, path: &str) -> u16 {
        self.clone().post(app, path).await.status
    }
}

//! What handlers can ask for.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use session_axum::{
    JsonErrors, LazySession, Session, SessionError, SessionLayer, SessionRejection, TypedSession,
};
use session_core::{Consistency, ErrorKind, Load, SessionCookie, SessionData};
use session_testkit::{Counts, Method};

use crate::client::{Backend, Client};

#[tokio::test]
async fn a_lazy_session_is_loaded_when_it_is_asked_for() {
    let backend = Backend::new();
    let handler = async |lazy: LazySession, again: Session| {
        let session = lazy.load_with(Consistency::Strong).await.unwrap();
        session.insert("a", &1).unwrap();
        again.get::<u8>("a").unwrap().unwrap_or_default().to_string()
    };
    let app = Router::new().route("/", get(handler)).layer(SessionLayer::new(backend.sessions()));
    let mut client = Client::default();
    assert_eq!(client.get(&app, "/").await.body, "1", "one session, however it is extracted");
    let before = backend.counting.counts();
    client.get(&app, "/").await;
    let calls = backend.counting.counts().since(before);
    assert_eq!(calls, Counts { load: 1, replace: 1, ..Counts::default() });
}

#[tokio::test]
async fn a_route_is_as_fresh_as_its_layer_says_and_a_handler_has_the_last_word() {
    let backend = Backend::new();
    let plain = SessionLayer::new(backend.sessions());
    let strong = plain.clone().consistency(Consistency::Strong);
    let explicit = async |lazy: LazySession| {
        lazy.load_with(Consistency::Replica).await.unwrap().exists().to_string()
    };
    let lazy = async |lazy: LazySession| lazy.load().await.unwrap().exists().to_string();
    let typed = async |cart: TypedSession<Cart>| cart.get().is_ok().to_string();
    let app = Router::new()
        .route("/", get(async |session: Session| session.insert("a", &1).unwrap()))
        .layer(plain);
    let named = Router::new()
        .route("/named", get(async |session: Session<Admin>| session.exists().to_string()))
        .layer(strong.clone().on_error(JsonErrors).named::<Admin>());
    let strict = Router::new()
        .route("/strong", get(async |session: Session| session.exists().to_string()))
        .route("/typed", get(typed))
        .route("/lazy", get(lazy))
        .route("/explicit", get(explicit))
        .layer(strong);
    let app = app.merge(named).merge(strict);
    let mut client = Client::default();
    client.get(&app, "/").await;
    for (path, expected) in [
        ("/", Consistency::Cached),
        ("/strong", Consistency::Strong),
        ("/typed", Consistency::Strong),
        ("/lazy", Consistency::Strong),
        ("/explicit", Consistency::Replica),
        ("/named", Consistency::Strong),
    ] {
        assert_eq!(client.get(&app, path).await.status, StatusCode::OK);
        let load = backend.counting.last_load().unwrap();
        assert_eq!(load, Load::default().consistency(expected), "{path}");
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Cart {
    items: Vec<u32>,
}

impl SessionData for Cart {
    const FIELD: &'static str = "cart";
}

#[tokio::test]
async fn a_session_may_be_one_typed_value() {
    let backend = Backend::new();
    let handler = async |cart: TypedSession<Cart>| -> Result<String, SessionError> {
        Ok(cart.update(|cart| cart.items.push(7))?.items.len().to_string())
    };
    let app = Router::new().route("/", get(handler)).layer(SessionLayer::new(backend.sessions()));
    let mut client = Client::default();
    client.get(&app, "/").await;
    assert_eq!(client.get(&app, "/").await.body, "2");
}

struct Admin;

#[tokio::test]
async fn several_kinds_of_session_live_side_by_side() {
    let backend = Backend::new();
    let admins = backend.builder().cookie(SessionCookie::new("admin")).build().unwrap();
    let handler = async |visitor: Session, admin: Session<Admin>| {
        visitor.insert("kind", &"visitor").unwrap();
        admin.insert("kind", &"admin").unwrap();
    };
    let only_admin = async |admin: Session<Admin>| admin.log_out();
    let app = Router::new()
        .route("/", get(handler))
        .route("/out", get(only_admin))
        .layer(SessionLayer::new(backend.sessions()))
        .layer(SessionLayer::new(admins).named::<Admin>());

    let answer = Client::default().get(&app, "/").await;
    let mut cookies: Vec<&str> =
        answer.header("set-cookie").iter().map(|line| line.split("; ").next().unwrap()).collect();
    cookies.sort_unstable();
    assert!(cookies[0].starts_with("admin=") && cookies[1].starts_with("id="), "{cookies:?}");
    assert_eq!(backend.memory.len(), 2);

    let mut both = Client { cookie: Some(cookies.join("; ")) };
    let answer = both.get(&app, "/out").await;
    let told = answer.header("set-cookie");
    assert!(told.len() == 1 && told[0].starts_with("admin=;"), "{told:?}");
    assert_eq!(backend.memory.len(), 1, "the visitor's session is not concerned");
}

#[tokio::test]
async fn a_rejection_says_what_is_wrong() {
    let app = Router::new().route("/", get(async |_: Session| ()));
    let answer = Client::default().get(&app, "/").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(answer.body.contains("SessionLayer"), "{}", answer.body);

    let backend = Backend::new();
    let handler = async |session: Result<Session, SessionRejection>| match session {
        Ok(_) => "signed in or not",
        Err(SessionRejection::Load(error)) if error.kind() == ErrorKind::Timeout => "read-only",
        Err(_) => "something else",
    };
    let app = Router::new()
        .route("/", get(handler))
        .route("/write", get(async |session: Session| session.insert("a", &1).unwrap()))
        .layer(SessionLayer::new(backend.sessions()));
    let mut client = Client::default();
    client.get(&app, "/write").await;
    backend.faulty.fail_next(Method::Load, ErrorKind::Timeout);
    assert_eq!(client.get(&app, "/").await.body, "read-only", "an application's own policy");
}

#[tokio::test]
async fn a_stream_saves_after_the_response_has_begun() {
    let backend = Backend::new();
    let handler = async |session: Session| {
        session.insert("begun", &true).unwrap();
        let session = session.into_inner();
        let chunks = futures_once(async move {
            session.insert("streamed", &true).unwrap();
            session.commit().await.map(|()| Bytes::from_static(b"done"))
        });
        Body::new(chunks)
    };
    let check = async |session: Session| {
        (session.contains("begun") && session.contains("streamed")).to_string()
    };
    let app = Router::new()
        .route("/", get(handler))
        .route("/check", get(check))
        .layer(SessionLayer::new(backend.sessions()));
    let mut client = Client::default();
    assert_eq!(client.get(&app, "/").await.body, "done");
    assert_eq!(client.get(&app, "/check").await.body, "true");
}

/// A body of one chunk, which is there when the future is done.
fn futures_once(
    chunk: impl Future<Output = Result<Bytes, session_core::Error>> + Send + 'static,
) -> impl http_body::Body<Data = Bytes, Error = session_core::Error> + Send + 'static {
    Once(Some(Box::pin(chunk)))
}

type Chunk = std::pin::Pin<Box<dyn Future<Output = Result<Bytes, session_core::Error>> + Send>>;

struct Once(Option<Chunk>);

impl http_body::Body for Once {
    type Data = Bytes;
    type Error = session_core::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let Some(chunk) = &mut self.0 else { return std::task::Poll::Ready(None) };
        let chunk = std::task::ready!(chunk.as_mut().poll(context));
        self.0 = None;
        std::task::Poll::Ready(Some(chunk.map(http_body::Frame::data)))
    }
}

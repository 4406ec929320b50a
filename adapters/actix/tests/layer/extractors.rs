//! What handlers can ask for.

use actix_web::http::StatusCode;
use actix_web::test::init_service;
use actix_web::web::{self, Bytes, get};
use actix_web::{App, HttpResponse};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use session_actix::{
    JsonErrors, LazySession, Session, SessionError, SessionLayer, SessionRejection, TypedSession,
};
use session_core::{Consistency, ErrorKind, Load, SessionCookie, SessionData};
use session_testkit::{Counts, Method};

use crate::client::{Backend, Client};

#[actix_web::test]
async fn a_lazy_session_is_loaded_when_it_is_asked_for() {
    let backend = Backend::new();
    let handler = async |lazy: LazySession, again: Session| {
        let session = lazy.load_with(Consistency::Strong).await.unwrap();
        session.insert("a", &1).unwrap();
        again.get::<u8>("a").unwrap().unwrap_or_default().to_string()
    };
    let app = App::new().route("/", get().to(handler)).wrap(SessionLayer::new(backend.sessions()));
    let app = init_service(app).await;
    let mut client = Client::default();
    assert_eq!(client.get(&app, "/").await.body, "1", "one session, however it is extracted");
    let before = backend.counting.counts();
    client.get(&app, "/").await;
    let calls = backend.counting.counts().since(before);
    assert_eq!(calls, Counts { load: 1, replace: 1, ..Counts::default() });
}

#[actix_web::test]
async fn a_route_is_as_fresh_as_its_layer_says_and_a_handler_has_the_last_word() {
    let backend = Backend::new();
    let plain = SessionLayer::new(backend.sessions());
    let strong = plain.clone().consistency(Consistency::Strong);
    let explicit = async |lazy: LazySession| {
        lazy.load_with(Consistency::Replica).await.unwrap().exists().to_string()
    };
    let lazy = async |lazy: LazySession| lazy.load().await.unwrap().exists().to_string();
    let typed = async |cart: TypedSession<Cart>| cart.get().is_ok().to_string();
    let named = web::scope("/named")
        .wrap(strong.clone().on_error(JsonErrors).named::<Admin>())
        .route("", get().to(async |session: Session<Admin>| session.exists().to_string()));
    let strict = web::scope("/strict")
        .wrap(strong)
        .route("/eager", get().to(async |session: Session| session.exists().to_string()))
        .route("/typed", get().to(typed))
        .route("/lazy", get().to(lazy))
        .route("/explicit", get().to(explicit));
    let cached = web::resource("/").wrap(plain).route(get().to(write));
    let app = init_service(App::new().service(named).service(strict).service(cached)).await;
    let mut client = Client::default();
    client.get(&app, "/").await;
    for (path, expected) in [
        ("/", Consistency::Cached),
        ("/strict/eager", Consistency::Strong),
        ("/strict/typed", Consistency::Strong),
        ("/strict/lazy", Consistency::Strong),
        ("/strict/explicit", Consistency::Replica),
        ("/named", Consistency::Strong),
    ] {
        assert_eq!(client.get(&app, path).await.status, StatusCode::OK, "{path}");
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

#[actix_web::test]
async fn a_session_may_be_one_typed_value() {
    let backend = Backend::new();
    let handler = async |cart: TypedSession<Cart>| -> Result<String, SessionError> {
        Ok(cart.update(|cart| cart.items.push(7))?.items.len().to_string())
    };
    let app = App::new().route("/", get().to(handler)).wrap(SessionLayer::new(backend.sessions()));
    let app = init_service(app).await;
    let mut client = Client::default();
    client.get(&app, "/").await;
    assert_eq!(client.get(&app, "/").await.body, "2");
}

struct Admin;

#[actix_web::test]
async fn several_kinds_of_session_live_side_by_side() {
    let backend = Backend::new();
    let admins = backend.builder().cookie(SessionCookie::new("admin")).build().unwrap();
    let handler = async |visitor: Session, admin: Session<Admin>| {
        visitor.insert("kind", &"visitor").unwrap();
        admin.insert("kind", &"admin").unwrap();
        "both"
    };
    let only_admin = async |admin: Session<Admin>| {
        admin.log_out();
        "out"
    };
    let app = App::new()
        .route("/", get().to(handler))
        .route("/out", get().to(only_admin))
        .wrap(SessionLayer::new(backend.sessions()))
        .wrap(SessionLayer::new(admins).named::<Admin>());
    let app = init_service(app).await;

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

#[actix_web::test]
async fn a_rejection_says_what_is_wrong() {
    let app = init_service(App::new().route("/", get().to(async |_: Session| "never"))).await;
    let answer = Client::default().get(&app, "/").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(answer.body.contains("SessionLayer"), "{}", answer.body);

    let backend = Backend::new();
    let handler = async |session: Result<Session, SessionRejection>| match session {
        Ok(_) => "signed in or not",
        Err(SessionRejection::Load(error)) if error.kind() == ErrorKind::Timeout => "read-only",
        Err(_) => "something else",
    };
    let app = App::new()
        .route("/", get().to(handler))
        .route("/write", get().to(write))
        .wrap(SessionLayer::new(backend.sessions()));
    let app = init_service(app).await;
    let mut client = Client::default();
    client.get(&app, "/write").await;
    backend.faulty.fail_next(Method::Load, ErrorKind::Timeout);
    assert_eq!(client.get(&app, "/").await.body, "read-only", "an application's own policy");
}

#[actix_web::test]
async fn a_stream_saves_after_the_response_has_begun() {
    let backend = Backend::new();
    let handler = async |session: Session| {
        session.insert("begun", &true).unwrap();
        let session = session.into_inner();
        let chunks = stream::once(async move {
            session.insert("streamed", &true).unwrap();
            session.commit().await.map(|()| Bytes::from_static(b"done"))
        });
        HttpResponse::Ok().streaming(chunks)
    };
    let check = async |session: Session| {
        (session.contains("begun") && session.contains("streamed")).to_string()
    };
    let app = App::new()
        .route("/", get().to(handler))
        .route("/check", get().to(check))
        .wrap(SessionLayer::new(backend.sessions()));
    let app = init_service(app).await;
    let mut client = Client::default();
    assert_eq!(client.get(&app, "/").await.body, "done");
    assert_eq!(client.get(&app, "/check").await.body, "true");
}

async fn write(session: Session) -> &'static str {
    session.insert("a", &1).unwrap();
    "written"
}

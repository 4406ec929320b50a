//! What a response says of the session: headers, and errors in place of successes.

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::get;
use http::{Response, StatusCode};
use session_axum::{LazySession, Session, SessionError, SessionLayer};
use session_core::{Caching, ErrorKind, SessionHeader, SessionLimit, Subject};
use session_testkit::{Counts, Method};

use crate::client::{Backend, Client, ask};

fn router() -> Router {
    Router::new()
        .route("/plain", get(async || "plain"))
        .route("/unused", get(async |_: LazySession| "unused"))
        .route("/read", get(async |session: Session| session.exists().to_string()))
        .route("/write", get(write))
        .route("/big", get(big))
        .route("/in", get(async |session: Session| session.log_in(Subject::new("ada").unwrap())))
        .route("/out", get(async |session: Session| session.log_out()))
        .route("/public", get(public))
        .route("/answered", get(answered))
        .route(
            "/refused",
            get(async |session: Session| {
                session.insert("a", &1).unwrap();
                StatusCode::IM_A_TEAPOT
            }),
        )
}

async fn write(session: Session) -> Result<&'static str, SessionError> {
    session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok("written")
}

async fn big(session: Session) -> Result<(), SessionError> {
    session.insert("one", &"x".repeat(200 * 1024))?;
    session.insert("two", &"x".repeat(200 * 1024))?;
    Ok(())
}

async fn public(session: Session) -> impl IntoResponse {
    let headers = [("cache-control", "public, max-age=60"), ("vary", "accept, COOKIE")];
    (headers, session.exists().to_string())
}

async fn answered(session: Session) -> StatusCode {
    session.insert("a", &1).unwrap();
    match session.commit().await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::CONFLICT,
    }
}

fn app(backend: &Backend) -> Router {
    router().layer(SessionLayer::new(backend.sessions()))
}

#[tokio::test]
async fn a_request_that_leaves_its_session_alone_costs_and_tells_nothing() {
    let backend = Backend::new();
    let app = app(&backend);
    let mut signed_in = Client::default();
    signed_in.get(&app, "/write").await;
    let before = backend.counting.counts();
    let garbage = Client { cookie: Some("id=garbage".into()) };
    for mut client in [Client::default(), signed_in, garbage] {
        for path in ["/plain", "/unused", "/nowhere"] {
            let answer = client.get(&app, path).await;
            for header in ["set-cookie", "cache-control", "vary"] {
                assert!(answer.header(header).is_empty(), "{path}: {answer:?}");
            }
        }
    }
    assert_eq!(backend.counting.counts().since(before), Counts::default());
}

#[tokio::test]
async fn a_response_that_used_a_session_is_one_clients_alone() {
    let backend = Backend::new();
    let app = app(&backend);
    let mut client = Client::default();
    for path in ["/read", "/write", "/read", "/in", "/out", "/refused"] {
        let answer = client.get(&app, path).await;
        assert_eq!(answer.header("cache-control"), ["no-store"], "{path}");
        assert_eq!(answer.header("vary"), ["Cookie"], "{path}");
        assert!(answer.header("set-cookie").len() <= 1, "{path}");
    }
    let answer = client.get(&app, "/public").await;
    assert_eq!(answer.header("cache-control"), ["no-store"], "whatever the handler says");
    assert_eq!(answer.header("vary"), ["accept, COOKIE"], "said already");
}

#[tokio::test]
async fn an_application_may_let_caches_keep_all_but_the_cookie() {
    let backend = Backend::new();
    let sessions = backend.builder().caching(Caching::NoCacheSetCookie).build().unwrap();
    let app = router().layer(SessionLayer::new(sessions));
    let answer = Client::default().get(&app, "/public").await;
    let expected = ["public, max-age=60", "no-cache=\"set-cookie\""];
    assert_eq!(answer.header("cache-control"), expected);
}

#[tokio::test]
async fn a_token_may_travel_in_a_header() {
    let backend = Backend::new();
    let sessions = backend.builder().header(SessionHeader::bearer()).build().unwrap();
    let app = router().layer(SessionLayer::new(sessions));
    let answer = ask(&app, "/in", None).await;
    assert_eq!(answer.header("vary"), ["Authorization"]);
    assert!(answer.header("set-cookie").is_empty(), "{answer:?}");
    let [token] = answer.header("session-token")[..] else { panic!("{answer:?}") };
    let bearer = format!("Bearer {token}");
    let bearer = Some(("authorization", bearer.as_str()));
    assert_eq!(ask(&app, "/read", bearer).await.body, "true");
    assert_eq!(ask(&app, "/read", Some(("cookie", token))).await.body, "false");

    let answer = ask(&app, "/out", bearer).await;
    assert_eq!(answer.header("session-token"), [""], "taken back");
    assert_eq!(ask(&app, "/read", bearer).await.body, "false");
}

#[tokio::test]
async fn what_a_handler_changed_is_saved_whatever_it_answered() {
    let backend = Backend::new();
    let app = app(&backend);
    let mut client = Client::default();
    assert_eq!(client.get(&app, "/refused").await.status, StatusCode::IM_A_TEAPOT);
    assert_eq!(client.get(&app, "/read").await.body, "true");
}

#[tokio::test]
async fn an_outage_is_503_and_never_an_anonymous_visitor() {
    let backend = Backend::new();
    let app = app(&backend);
    let mut client = Client::default();
    client.get(&app, "/write").await;
    let cookie = client.cookie.clone();
    for (method, path) in [
        (Method::Load, "/read"),
        (Method::Load, "/write"),
        (Method::Replace, "/write"),
        (Method::Rotate, "/in"),
        (Method::Delete, "/out"),
    ] {
        for kind in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Full] {
            backend.faulty.fail(&[method], kind);
            let answer = client.get(&app, path).await;
            backend.faulty.heal();
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path} {kind}");
            assert_eq!(answer.header("retry-after"), ["1"]);
            assert_eq!(answer.header("vary"), ["Cookie"], "{path} {kind}");
            assert_eq!(answer.header("content-type"), ["application/json"]);
            assert!(answer.body.starts_with(r#"{"error":"store_unavailable","message":""#));
            assert_eq!(client.cookie, cookie, "{path} {kind}: the client keeps its token");
        }
    }
    assert_eq!(client.get(&app, "/read").await.body, "true");
}

#[tokio::test]
async fn a_failure_that_the_handler_answered_is_answered_once() {
    let backend = Backend::new();
    let app = app(&backend);
    let mut client = Client::default();
    assert_eq!(client.get(&app, "/answered").await.status, StatusCode::NO_CONTENT);
    backend.faulty.fail_next(Method::Replace, ErrorKind::Timeout);
    assert_eq!(client.get(&app, "/answered").await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_session_that_ended_meanwhile_is_401_and_its_cookie_is_cleared() {
    let backend = Backend::new();
    let app = app(&backend);
    let mut client = Client::default();
    client.get(&app, "/write").await;

    let gate = backend.faulty.hold_call(Method::Replace);
    let (mut slow, slow_app) = (client.clone(), app.clone());
    let slow = tokio::spawn(async move { (slow.get(&slow_app, "/write").await, slow) });
    gate.reached().await;
    client.get(&app, "/out").await;
    gate.open();
    let (answer, slow) = slow.await.unwrap();
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.body.contains(r#""error":"session_gone""#), "{}", answer.body);
    assert_eq!((slow.cookie, backend.memory.len()), (None, 0));
}

#[tokio::test]
async fn more_than_a_session_holds_is_413_and_nothing_is_touched() {
    let backend = Backend::new();
    let app = app(&backend);
    let mut client = Client::default();
    client.get(&app, "/write").await;
    let answer = client.get(&app, "/big").await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.body.contains(r#""error":"too_large""#), "{}", answer.body);
    assert_eq!(client.get(&app, "/read").await.body, "true");
}

#[tokio::test]
async fn a_log_in_over_the_limit_is_403_and_the_client_keeps_its_session() {
    let backend = Backend::new();
    let limit = SessionLimit::refuse(1).unwrap();
    let sessions = backend.builder().session_limit(limit).build().unwrap();
    let app = router().layer(SessionLayer::new(sessions));
    let mut first = Client::default();
    assert_eq!(first.get(&app, "/in").await.status, StatusCode::OK);
    let mut second = Client::default();
    second.get(&app, "/write").await;
    let cookie = second.cookie.clone();
    let answer = second.get(&app, "/in").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.body.contains(r#""error":"session_limit""#), "{}", answer.body);
    assert!(answer.header("retry-after").is_empty());
    assert_eq!(second.cookie, cookie);
    assert_eq!(second.get(&app, "/read").await.body, "true");
    first.get(&app, "/out").await;
    assert_eq!(second.get(&app, "/in").await.status, StatusCode::OK);
}

#[tokio::test]
async fn errors_may_take_another_form() {
    let backend = Backend::new();
    let layer = SessionLayer::new(backend.sessions()).on_error(|error: &session_core::Error| {
        let body = Body::from(format!("sorry: {}", error.kind()));
        Response::builder().status(StatusCode::BAD_GATEWAY).body(body).unwrap_or_default()
    });
    let app = router().layer(layer);
    backend.faulty.fail_next(Method::Create, ErrorKind::Unavailable);
    let answer = Client::default().get(&app, "/write").await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::BAD_GATEWAY, "sorry: unavailable"));
    assert_eq!(answer.header("cache-control"), ["no-store"]);
}

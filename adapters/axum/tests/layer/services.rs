//! Tower services that know nothing of axum.

use std::convert::Infallible;

use http::{Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use session_axum::{LazySession, SessionLayer};
use session_core::{ErrorKind, Sessions};
use session_testkit::Method;
use tower::{Layer as _, ServiceExt as _};

use crate::client::Backend;

type Bytes = axum::body::Bytes;

/// Extractors work on the head of any request.
async fn session_of(request: Request<Full<Bytes>>) -> session_core::Session {
    use axum::extract::FromRequestParts as _;
    let (mut head, _) = request.into_parts();
    let lazy: LazySession = LazySession::from_request_parts(&mut head, &()).await.unwrap();
    lazy.load().await.unwrap()
}

fn request(cookie: Option<&str>) -> Request<Full<Bytes>> {
    let mut request = Request::get("/");
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    request.body(Full::default()).unwrap()
}

#[tokio::test]
async fn any_service_with_http_bodies_will_do() {
    let backend = Backend::new();
    let service = tower::service_fn(async |request: Request<Full<Bytes>>| {
        let session = session_of(request).await;
        let n = session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1).unwrap();
        let response = Response::new(Full::<Bytes>::from(n.to_string()));
        Ok::<_, Infallible>(response)
    });
    let service = SessionLayer::new(backend.sessions()).layer(service);
    let response = service.clone().oneshot(request(None)).await.unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    let pair = cookie.split("; ").next().unwrap();

    backend.faulty.fail_next(Method::Replace, ErrorKind::Timeout);
    let response = service.clone().oneshot(request(Some(pair))).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let response = service.oneshot(request(Some(pair))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_cannot_hold_text_needs_a_responder() {
    let backend = Backend::new();
    let service = tower::service_fn(async |request: Request<Full<Bytes>>| {
        session_of(request).await.insert("a", &1).unwrap();
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let layer = SessionLayer::new(backend.sessions()).on_error(|_: &session_core::Error| {
        let mut response = Response::new(Empty::new());
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    });
    backend.faulty.fail_next(Method::Create, ErrorKind::Unavailable);
    let response = layer.layer(service).oneshot(request(None)).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_service_that_fails_saves_nothing() {
    let backend = Backend::new();
    let service = tower::service_fn(async |request: Request<Full<Bytes>>| {
        session_of(request).await.insert("a", &1).unwrap();
        Err::<Response<Full<Bytes>>, _>("broken")
    });
    let service = SessionLayer::new(backend.sessions()).layer(service);
    assert_eq!(service.oneshot(request(None)).await.unwrap_err(), "broken");
    assert!(backend.memory.is_empty());
}

#[tokio::test]
async fn a_request_that_is_dropped_while_saving_saves_once_or_not_at_all() {
    let backend = Backend::new();
    let sessions: Sessions = backend.sessions();
    let service = tower::service_fn(async |request: Request<Full<Bytes>>| {
        session_of(request).await.insert("a", &1).unwrap();
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let service = SessionLayer::new(sessions).layer(service);
    let gate = backend.faulty.hold_call(Method::Create);
    let call = tokio::spawn(service.clone().oneshot(request(None)));
    gate.reached().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    drop(gate);
    assert!(backend.memory.is_empty());
}

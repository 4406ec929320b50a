//! What a response says of the session: headers, and errors in place of successes.

use std::cell::Cell;
use std::rc::Rc;

use actix_http::Request;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::error::ErrorConflict;
use actix_web::http::StatusCode;
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, HttpResponse, Responder, web};
use futures_util::future::join;
use session_actix::{
    ErrorResponder as _, JsonErrors, LazySession, Session, SessionError, SessionLayer,
};
use session_core::{Caching, ErrorKind, SessionHeader, SessionLimit, Sessions, Subject};
use session_testkit::{Counts, Method};

use crate::client::{Backend, Client, ask};

fn routes(config: &mut web::ServiceConfig) {
    let get = web::get;
    config
        .route("/plain", get().to(async || "plain"))
        .route("/unused", get().to(async |_: LazySession| "unused"))
        .route("/read", get().to(async |session: Session| session.exists().to_string()))
        .route("/write", get().to(write))
        .route("/big", get().to(big))
        .route("/in", get().to(log_in))
        .route("/out", get().to(log_out))
        .route("/public", get().to(public))
        .route("/answered", get().to(answered))
        .route("/refused", get().to(refused));
}

async fn log_in(session: Session) -> HttpResponse {
    session.log_in(Subject::new("ada").unwrap());
    HttpResponse::Ok().finish()
}

async fn log_out(session: Session) -> HttpResponse {
    session.log_out();
    HttpResponse::Ok().finish()
}

async fn refused(session: Session) -> HttpResponse {
    session.insert("a", &1).unwrap();
    HttpResponse::new(StatusCode::IM_A_TEAPOT)
}

async fn write(session: Session) -> Result<&'static str, SessionError> {
    session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok("written")
}

async fn big(session: Session) -> Result<&'static str, SessionError> {
    session.insert("one", &"x".repeat(200 * 1024))?;
    session.insert("two", &"x".repeat(200 * 1024))?;
    Ok("written")
}

async fn public(session: Session) -> impl Responder {
    HttpResponse::Ok()
        .insert_header(("cache-control", "public, max-age=60"))
        .insert_header(("vary", "accept, COOKIE"))
        .body(session.exists().to_string())
}

async fn answered(session: Session) -> HttpResponse {
    session.insert("a", &1).unwrap();
    match session.commit().await {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(_) => HttpResponse::Conflict().finish(),
    }
}

async fn app(
    backend: &Backend,
) -> impl Service<Request, Response = ServiceResponse<impl MessageBody + 'static>, Error = Error> {
    app_with(backend.sessions()).await
}

async fn app_with(
    sessions: Sessions,
) -> impl Service<Request, Response = ServiceResponse<impl MessageBody + 'static>, Error = Error> {
    init_service(App::new().configure(routes).wrap(SessionLayer::new(sessions))).await
}

#[actix_web::test]
async fn a_request_that_leaves_its_session_alone_costs_and_tells_nothing() {
    let backend = Backend::new();
    let app = app(&backend).await;
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

#[actix_web::test]
async fn a_response_that_used_a_session_is_one_clients_alone() {
    let backend = Backend::new();
    let app = app(&backend).await;
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

#[actix_web::test]
async fn an_application_may_let_caches_keep_all_but_the_cookie() {
    let backend = Backend::new();
    let sessions = backend.builder().caching(Caching::NoCacheSetCookie).build().unwrap();
    let app = app_with(sessions).await;
    let answer = Client::default().get(&app, "/public").await;
    let expected = ["public, max-age=60", "no-cache=\"set-cookie\""];
    assert_eq!(answer.header("cache-control"), expected);
}

#[actix_web::test]
async fn a_token_may_travel_in_a_header() {
    let backend = Backend::new();
    let sessions = backend.builder().header(SessionHeader::bearer()).build().unwrap();
    let app = app_with(sessions).await;
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

#[actix_web::test]
async fn what_a_handler_changed_is_saved_whatever_it_answered() {
    let backend = Backend::new();
    let app = app(&backend).await;
    let mut client = Client::default();
    assert_eq!(client.get(&app, "/refused").await.status, StatusCode::IM_A_TEAPOT);
    assert_eq!(client.get(&app, "/read").await.body, "true");
}

#[actix_web::test]
async fn an_outage_is_503_and_never_an_anonymous_visitor() {
    let backend = Backend::new();
    let app = app(&backend).await;
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

#[actix_web::test]
async fn a_failure_that_the_handler_answered_is_answered_once() {
    let backend = Backend::new();
    let app = app(&backend).await;
    let mut client = Client::default();
    assert_eq!(client.get(&app, "/answered").await.status, StatusCode::NO_CONTENT);
    backend.faulty.fail_next(Method::Replace, ErrorKind::Timeout);
    assert_eq!(client.get(&app, "/answered").await.status, StatusCode::CONFLICT);
}

#[actix_web::test]
async fn a_session_that_ended_meanwhile_is_401_and_its_cookie_is_cleared() {
    let backend = Backend::new();
    let app = app(&backend).await;
    let mut client = Client::default();
    client.get(&app, "/write").await;

    let gate = backend.faulty.hold_call(Method::Replace);
    let mut slow = client.clone();
    let meanwhile = async {
        gate.reached().await;
        client.get(&app, "/out").await;
        gate.open();
    };
    let (answer, ()) = join(slow.get(&app, "/write"), meanwhile).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.body.contains(r#""error":"session_gone""#), "{}", answer.body);
    assert_eq!((slow.cookie, backend.memory.len()), (None, 0));
}

#[actix_web::test]
async fn more_than_a_session_holds_is_413_and_nothing_is_touched() {
    let backend = Backend::new();
    let app = app(&backend).await;
    let mut client = Client::default();
    client.get(&app, "/write").await;
    let answer = client.get(&app, "/big").await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.body.contains(r#""error":"too_large""#), "{}", answer.body);
    assert_eq!(client.get(&app, "/read").await.body, "true");
}

#[actix_web::test]
async fn a_log_in_over_the_limit_is_403_and_the_client_keeps_its_session() {
    let backend = Backend::new();
    let limit = SessionLimit::refuse(1).unwrap();
    let sessions = backend.builder().session_limit(limit).build().unwrap();
    let app = app_with(sessions).await;
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

#[actix_web::test]
async fn errors_may_take_another_form() {
    let backend = Backend::new();
    let layer = SessionLayer::new(backend.sessions()).on_error(|error: &session_core::Error| {
        HttpResponse::BadGateway().body(format!("sorry: {}", error.kind()))
    });
    let app = init_service(App::new().configure(routes).wrap(layer)).await;
    backend.faulty.fail_next(Method::Create, ErrorKind::Unavailable);
    let answer = Client::default().get(&app, "/write").await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::BAD_GATEWAY, "sorry: unavailable"));
    assert_eq!(answer.header("cache-control"), ["no-store"]);
}

/// A middleware in between that gives up once the handler is done.
async fn give_up<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    next.call(request).await?;
    Err(ErrorConflict("too late"))
}

#[actix_web::test]
async fn an_error_in_place_of_a_response_saves_and_tells_as_well() {
    let backend = Backend::new();
    let layer = SessionLayer::new(backend.sessions());
    let app = App::new().configure(routes).wrap(from_fn(give_up)).wrap(layer);
    let app = init_service(app).await;
    let mut client = Client::default();
    let answer = client.get(&app, "/in").await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::CONFLICT, "too late"));
    assert_eq!(answer.header("cache-control"), ["no-store"]);
    assert_eq!(answer.header("vary"), ["Cookie"]);
    assert!(client.cookie.is_some() && backend.memory.len() == 1, "{answer:?}");

    backend.faulty.fail_next(Method::Replace, ErrorKind::Unavailable);
    let answer = client.get(&app, "/write").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("cache-control"), ["no-store"]);
    assert!(answer.body.contains("store_unavailable"), "{answer:?}");

    let answer = client.get(&app, "/plain").await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::CONFLICT, "too late"));
    assert!(answer.header("cache-control").is_empty(), "{answer:?}");

    client.get(&app, "/out").await;
    assert_eq!((client.cookie, backend.memory.len()), (None, 0));
}

#[actix_web::test]
async fn an_error_of_a_handler_saves_and_tells_as_well() {
    let backend = Backend::new();
    let handler = async |session: Session| -> Result<HttpResponse, Error> {
        session.insert("a", &1).map_err(SessionError)?;
        Err(ErrorConflict("no"))
    };
    let app = App::new().configure(routes).route("/err", web::get().to(handler));
    let app = init_service(app.wrap(SessionLayer::new(backend.sessions()))).await;
    let mut client = Client::default();
    let answer = client.get(&app, "/err").await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::CONFLICT, "no"));
    assert_eq!(client.get(&app, "/read").await.body, "true");
}

/// However a middleware further out makes a response of the error, and once more.
#[actix_web::test]
async fn whoever_answers_an_error_tells_of_the_session() {
    async fn answer<B: MessageBody + 'static>(
        request: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse, Error> {
        let error = next.call(request).await.map(|_| ()).unwrap_err();
        let status = error.as_response_error().status_code();
        let response = HttpResponse::from_error(error);
        assert_eq!(response.status(), status);
        let once_more = response.error().unwrap().as_response_error().error_response();
        assert_eq!(once_more.status(), status);
        Ok(ServiceResponse::new(TestRequest::default().to_http_request(), response))
    }
    let (backend, made) = (Backend::new(), Rc::new(Cell::new(0)));
    let count = Rc::clone(&made);
    let layer =
        SessionLayer::new(backend.sessions()).on_error(move |error: &session_core::Error| {
            count.set(count.get() + 1);
            JsonErrors.respond(error)
        });
    let app = App::new().configure(routes).wrap(from_fn(give_up)).wrap(layer);
    let app = init_service(app.wrap(from_fn(answer))).await;
    let mut client = Client::default();
    let answer = client.get(&app, "/in").await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::CONFLICT, "too late"));
    assert!(client.cookie.is_some(), "{answer:?}");

    backend.faulty.fail_next(Method::Replace, ErrorKind::Unavailable);
    let answer = client.get(&app, "/write").await;
    assert_eq!((answer.status, made.get()), (StatusCode::SERVICE_UNAVAILABLE, 2));
}

//! Requests that do not come to an end.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::task::{Context, Waker};

use actix_web::dev::Service as _;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, HttpServer, rt, web};
use session_actix::{LazySession, Session, SessionLayer};
use session_testkit::Method;

use crate::client::{Backend, Client};

async fn write(session: Session) -> &'static str {
    session.insert("a", &1).unwrap();
    "written"
}

#[actix_web::test]
async fn a_request_that_is_dropped_while_saving_saves_once_or_not_at_all() {
    let backend = Backend::new();
    let layer = SessionLayer::new(backend.sessions());
    let app = init_service(App::new().route("/", web::get().to(write)).wrap(layer)).await;
    let gate = backend.faulty.hold_call(Method::Create);
    tokio::select! {
        _ = app.call(TestRequest::get().to_request()) => panic!("it was not held"),
        () = gate.reached() => {}
    }
    drop(gate);
    assert!(backend.memory.is_empty());
    // The same worker goes on.
    assert_eq!(Client::default().get(&app, "/").await.body, "written");
    assert_eq!(backend.memory.len(), 1);
}

/// The worker goes on, and its sessions are as they were.
#[actix_web::test]
async fn a_handler_that_panics_saves_nothing() {
    let backend = Backend::new();
    let layer = SessionLayer::new(backend.sessions());
    let server = HttpServer::new(move || {
        App::new()
            .wrap(layer.clone())
            .route("/", web::get().to(write))
            .route("/panic", web::get().to(panics))
    });
    let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    let running = server.run();
    let (handle, running) = (running.handle(), rt::spawn(running));

    let ask = |path: &'static str| web::block(move || ask(address, path));
    assert_eq!(ask("/panic").await.unwrap(), "");
    assert!(backend.memory.is_empty());
    let answer = ask("/").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("set-cookie: id="), "{answer}");
    assert_eq!(backend.memory.len(), 1);
    handle.stop(true).await;
    running.await.unwrap().unwrap();
}

fn ask(address: SocketAddr, path: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // A connection may be reset rather than closed.
    let _ = connection.read_to_string(&mut answer);
    answer
}

async fn panics(session: Session) -> &'static str {
    session.insert("a", &1).unwrap();
    panic!("as the test wants it")
}

/// What has nothing to save is answered by the poll in which it was handled.
#[actix_web::test]
async fn a_response_with_nothing_to_save_does_not_wait() {
    let backend = Backend::new();
    let app = App::new()
        .service(web::resource("/plain").to(async || "plain"))
        .service(web::resource("/unused").to(async |_: LazySession| "unused"))
        .wrap(SessionLayer::new(backend.sessions()));
    let app = init_service(app).await;
    for path in ["/plain", "/unused", "/nowhere"] {
        let call = app.call(TestRequest::get().uri(path).to_request());
        let mut call = std::pin::pin!(call);
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_ready(), "{path}");
    }
}

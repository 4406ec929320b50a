//! session-kit on actix-web, over the stores that make a difference there.

use actix_web::{App, HttpServer, web};
use session_actix::{Session, SessionError, SessionLayer};
use session_core::{Error, SessionCookie, Sessions, Store};

use crate::application::{CAPACITY, COOKIE, WORKERS, tell_address};
use crate::on_actix::on_actix;
use crate::on_session_kit::{self, layered, memory, redis};
use crate::variants::{Failure, Places};

pub(crate) fn serve_memory(_: &Places) -> Result<(), Failure> {
    serve(|| memory(CAPACITY))
}

pub(crate) fn serve_redis(places: &Places) -> Result<(), Failure> {
    serve(|| redis(&places.redis, "kit-actix"))
}

pub(crate) fn serve_layered(places: &Places) -> Result<(), Failure> {
    serve(|| layered(&places.redis, "layered-actix"))
}

fn serve<S: Store>(store: impl FnOnce() -> Result<S, Error>) -> Result<(), Failure> {
    on_actix(async {
        let sessions = Sessions::builder(store()?).cookie(SessionCookie::new(COOKIE)).build()?;
        let layer = SessionLayer::new(sessions);
        let app = move || {
            App::new()
                .wrap(layer.clone())
                .route("/untouched", web::get().to(async || "ok"))
                .route("/read", web::get().to(read))
                .route("/increment", web::get().to(increment))
                .route("/create", web::get().to(create))
        };
        let server = HttpServer::new(app).workers(WORKERS).bind("127.0.0.1:0")?;
        server.addrs().into_iter().for_each(tell_address);
        Ok(server.run())
    })
}

async fn read(session: Session) -> Result<String, SessionError> {
    Ok(on_session_kit::read(&session)?)
}

async fn increment(session: Session) -> Result<String, SessionError> {
    Ok(on_session_kit::increment(&session)?)
}

async fn create(session: Session) -> Result<&'static str, SessionError> {
    Ok(on_session_kit::create(&session)?)
}

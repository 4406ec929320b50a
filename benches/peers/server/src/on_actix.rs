//! actix-web: the floor, and actix-session.

use actix_session::config::{CookieContentSecurity, PersistentSession};
use actix_session::storage::RedisSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::{Key, SameSite};
use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};

use crate::application::{COOKIE, Content, IDLE_SECONDS, NONE, WORKERS, tell_address};
use crate::variants::{Failure, Places};

pub(crate) fn serve_bare(_: &Places) -> Result<(), Failure> {
    on_actix(async {
        let app = || App::new().route("/untouched", web::get().to(untouched));
        let server = HttpServer::new(app).workers(WORKERS).bind("127.0.0.1:0")?;
        server.addrs().into_iter().for_each(tell_address);
        Ok(server.run())
    })
}

pub(crate) fn serve_redis(places: &Places) -> Result<(), Failure> {
    on_actix(async {
        let store = RedisSessionStore::new(places.redis.as_str()).await?;
        let key = Key::generate();
        let app = move || {
            let lifetime = PersistentSession::default()
                .session_ttl(actix_web::cookie::time::Duration::seconds(IDLE_SECONDS.into()));
            let sessions = SessionMiddleware::builder(store.clone(), key.clone())
                .cookie_name(COOKIE.to_owned())
                .cookie_same_site(SameSite::Lax)
                // It has no plain cookies; this is the cheaper of the two that it has.
                .cookie_content_security(CookieContentSecurity::Signed)
                .session_lifecycle(lifetime);
            App::new()
                .wrap(sessions.build())
                .route("/untouched", web::get().to(untouched))
                .route("/read", web::get().to(read))
                .route("/increment", web::get().to(increment))
                .route("/create", web::get().to(create))
        };
        let server = HttpServer::new(app).workers(WORKERS).bind("127.0.0.1:0")?;
        server.addrs().into_iter().for_each(tell_address);
        Ok(server.run())
    })
}

/// Runs a server, whose workers are runtimes of their own.
pub(crate) fn on_actix(
    server: impl Future<Output = Result<Server, Failure>>,
) -> Result<(), Failure> {
    actix_web::rt::System::new().block_on(async { Ok(server.await?.await?) })
}

async fn untouched() -> &'static str {
    "ok"
}

async fn read(session: Session) -> actix_web::Result<String> {
    let counter = session.get::<u64>("counter")?;
    Ok(counter.map_or_else(|| NONE.to_owned(), |counter| counter.to_string()))
}

async fn increment(session: Session) -> actix_web::Result<String> {
    let counter = session.get::<u64>("counter")?.unwrap_or(0) + 1;
    session.insert("counter", counter)?;
    Ok(counter.to_string())
}

async fn create(session: Session) -> actix_web::Result<&'static str> {
    let Content { name, address, cart, theme, counter } = Content::new();
    session.insert("name", name)?;
    session.insert("address", address)?;
    session.insert("cart", cart)?;
    session.insert("theme", theme)?;
    session.insert("counter", counter)?;
    Ok("0")
}

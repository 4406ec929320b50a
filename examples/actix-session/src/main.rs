//! actix-session on session-kit: log-ins that all instances share, a cache on each of them, and
//! log-outs that hold everywhere.
//!
//! ```sh
//! export REDIS_URL=redis://127.0.0.1/ SESSION_KEY=$(openssl rand -hex 64)
//! cargo run -p example-actix-session -- 127.0.0.1:3000 &
//! cargo run -p example-actix-session -- 127.0.0.1:3001
//! ```
//!
//! Nothing but the first few lines and the last one of `main` has to do with session-kit.

#![expect(clippy::future_not_send, reason = "those of actix-web stay on their worker")]

use std::env;

use actix_session::config::{PersistentSession, TtlExtensionPolicy};
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Form, Html};
use actix_web::{App, Error, HttpResponse, HttpServer};
use serde::Deserialize;
use session_actix_session::ActixSessionStore;
use session_kit::{Layered, RedisStore, Store as _, Topology};
use time::Duration;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1/".to_owned());
    let redis = RedisStore::builder(Topology::single(&url)?).namespace("actix-session").build()?;
    let layered = Layered::builder(redis).build()?;
    let store = ActixSessionStore::builder(layered.clone()).build()?;

    let key = env::var("SESSION_KEY").map_err(|_| "SESSION_KEY is not set")?;
    let key = Key::try_from(key.as_bytes())
        .map_err(|_| "SESSION_KEY takes 64 characters at least, the same on all instances")?;
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let server = HttpServer::new(move || {
        App::new()
            .wrap(sessions(store.clone(), key.clone()))
            .route("/", web::get().to(page))
            .route("/log-in", web::get().to(form))
            .route("/log-in", web::post().to(log_in))
            .route("/log-out", web::post().to(log_out))
    })
    .workers(2)
    .bind(address)?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await?;
    // A cache sends what extends sessions a moment later: this was the last moment.
    layered.flush().await?;
    Ok(())
}

fn sessions(store: ActixSessionStore, key: Key) -> SessionMiddleware<ActixSessionStore> {
    let lifecycle = PersistentSession::default()
        .session_ttl(Duration::minutes(30))
        .session_ttl_extension_policy(TtlExtensionPolicy::OnEveryRequest);
    SessionMiddleware::builder(store, key)
        .session_lifecycle(lifecycle)
        // There is no TLS on this machine's own address; everywhere else leave it as it is.
        .cookie_secure(false)
        .build()
}

/// Any name, with the password `demo`.
#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
}

async fn form() -> Html {
    Html::new(
        "<form method=post><input name=user placeholder=name> \
         <input name=password type=password placeholder=demo> <button>Log in</button></form>",
    )
}

async fn log_in(session: Session, given: Form<Credentials>) -> Result<HttpResponse, Error> {
    if given.user.is_empty() || given.password != "demo" {
        return Ok(HttpResponse::Unauthorized().finish());
    }
    // A new id: whoever knows that of before is not logged in by it.
    session.renew();
    session.insert("user", &given.user)?;
    Ok(see("/"))
}

/// For those who are logged in.
async fn page(session: Session) -> Result<HttpResponse, Error> {
    let Some(name) = session.get::<String>("user")? else { return Ok(see("/log-in")) };
    let name = name.replace('&', "&amp;").replace('<', "&lt;");
    let page =
        format!("Hello, {name}. <form method=post action=/log-out><button>Log out</button></form>");
    Ok(HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page))
}

/// Ends the session. To take the name out of it would not do: see the crate's documentation.
async fn log_out(session: Session) -> HttpResponse {
    session.purge();
    see("/log-in")
}

fn see(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}

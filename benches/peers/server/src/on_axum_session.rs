//! axum_session over Redis, with its memory before it, as it is by default.

use axum::Router;
use axum::routing::get;
use axum_session::{SessionConfig, SessionLayer, SessionStore};
use axum_session_redispool::SessionRedisPool;
use redis_pool::RedisPool;

use crate::application::{COOKIE, Content, NONE, on_tokio};
use crate::variants::{Failure, Places};

type Session = axum_session::Session<SessionRedisPool>;

pub(crate) fn serve(places: &Places) -> Result<(), Failure> {
    on_tokio(async {
        let pool = RedisPool::from(redis::Client::open(places.redis.as_str())?);
        let config = SessionConfig::default().with_session_name(COOKIE).with_secure(true);
        let store = SessionStore::<SessionRedisPool>::new(Some(pool.into()), config).await?;
        let routes = Router::new()
            .route("/untouched", get(async || "ok"))
            .route("/read", get(read))
            .route("/increment", get(increment))
            .route("/create", get(create))
            .route("/log-out", get(log_out));
        Ok(routes.layer(SessionLayer::new(store)))
    })
}

async fn read(session: Session) -> String {
    let counter = session.get::<u64>("counter");
    counter.map_or_else(|| NONE.to_owned(), |counter| counter.to_string())
}

async fn increment(session: Session) -> String {
    let counter = session.get::<u64>("counter").unwrap_or(0) + 1;
    session.set("counter", counter);
    counter.to_string()
}

async fn create(session: Session) -> &'static str {
    let Content { name, address, cart, theme, counter } = Content::new();
    session.set("name", name);
    session.set("address", address);
    session.set("cart", cart);
    session.set("theme", theme);
    session.set("counter", counter);
    "0"
}

async fn log_out(session: Session) -> &'static str {
    session.destroy();
    "ok"
}

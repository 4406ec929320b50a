//! tower-sessions, with each of the stores that there are for it.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration;
use tower_sessions::{
    CachingSessionStore, Expiry, MemoryStore, Session, SessionManagerLayer, SessionStore,
};
use tower_sessions_moka_store::MokaStore;
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike as _, Config, Pool};
use tower_sessions_sqlx_store::PostgresStore;
use tower_sessions_sqlx_store::sqlx::postgres::PgPoolOptions;

use crate::application::{CAPACITY, COOKIE, Content, IDLE_SECONDS, NONE, on_tokio};
use crate::on_session_kit::CONNECTIONS;
use crate::variants::{Failure, Places};

pub(crate) fn serve_memory(_: &Places) -> Result<(), Failure> {
    on_tokio(async { Ok(routes(MemoryStore::default())) })
}

pub(crate) fn serve_moka(_: &Places) -> Result<(), Failure> {
    on_tokio(async { Ok(routes(MokaStore::new(Some(CAPACITY as u64)))) })
}

pub(crate) fn serve_redis(places: &Places) -> Result<(), Failure> {
    on_tokio(async { Ok(routes(redis(&places.redis).await?)) })
}

pub(crate) fn serve_caching(places: &Places) -> Result<(), Failure> {
    on_tokio(async { Ok(routes(caching(&places.redis, CAPACITY as u64).await?)) })
}

pub(crate) fn serve_postgres(places: &Places) -> Result<(), Failure> {
    on_tokio(async {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS as u32);
        let store = PostgresStore::new(pool.connect(&places.postgres).await?);
        store.migrate().await?;
        Ok(routes(store))
    })
}

/// A pool of six, as in the store's documentation.
pub(crate) async fn redis(url: &str) -> Result<RedisStore<Pool>, Failure> {
    let pool = Pool::new(Config::from_url(url)?, None, None, None, 6)?;
    pool.connect();
    pool.wait_for_connect().await?;
    Ok(RedisStore::new(pool))
}

pub(crate) type Caching = CachingSessionStore<MokaStore, RedisStore<Pool>>;

pub(crate) async fn caching(url: &str, sessions: u64) -> Result<Caching, Failure> {
    Ok(CachingSessionStore::new(MokaStore::new(Some(sessions)), redis(url).await?))
}

fn routes<S: SessionStore + Clone>(store: S) -> Router {
    let layer = SessionManagerLayer::new(store)
        .with_name(COOKIE)
        .with_same_site(SameSite::Lax)
        .with_expiry(Expiry::OnInactivity(Duration::seconds(IDLE_SECONDS.into())));
    Router::new()
        .route("/untouched", get(async || "ok"))
        .route("/read", get(read))
        .route("/increment", get(increment))
        .route("/create", get(create))
        .route("/log-out", get(log_out))
        .layer(layer)
}

async fn read(session: Session) -> Result<String, StatusCode> {
    let counter = session.get::<u64>("counter").await.map_err(failed)?;
    Ok(counter.map_or_else(|| NONE.to_owned(), |counter| counter.to_string()))
}

async fn increment(session: Session) -> Result<String, StatusCode> {
    let counter = session.get::<u64>("counter").await.map_err(failed)?.unwrap_or(0) + 1;
    session.insert("counter", counter).await.map_err(failed)?;
    Ok(counter.to_string())
}

async fn create(session: Session) -> Result<&'static str, StatusCode> {
    let Content { name, address, cart, theme, counter } = Content::new();
    session.insert("name", name).await.map_err(failed)?;
    session.insert("address", address).await.map_err(failed)?;
    session.insert("cart", cart).await.map_err(failed)?;
    session.insert("theme", theme).await.map_err(failed)?;
    session.insert("counter", counter).await.map_err(failed)?;
    Ok("0")
}

async fn log_out(session: Session) -> Result<&'static str, StatusCode> {
    session.flush().await.map_err(failed)?;
    Ok("ok")
}

fn failed(error: tower_sessions::session::Error) -> StatusCode {
    eprintln!("peers-server: {error}");
    StatusCode::INTERNAL_SERVER_ERROR
}

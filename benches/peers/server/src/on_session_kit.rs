//! session-kit on axum, over each of its stores.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use session_axum::{Session, SessionError, SessionLayer};
use session_core::{Error, SessionCookie, Sessions, Store};
use session_layered::Layered;
use session_memory::MemoryStore;
use session_redis::{RedisStore, Topology};
use session_sql::{Database, SqlStore};

use crate::application::{CAPACITY, COOKIE, Content, LATE, NONE, on_tokio};
use crate::variants::{Failure, Places};

pub(crate) fn serve_memory(_: &Places) -> Result<(), Failure> {
    serve(|| memory(CAPACITY))
}

pub(crate) fn serve_redis(places: &Places) -> Result<(), Failure> {
    serve(|| redis(&places.redis, "kit"))
}

pub(crate) fn serve_layered(places: &Places) -> Result<(), Failure> {
    serve(|| layered(&places.redis, "layered"))
}

pub(crate) fn serve_postgres(places: &Places) -> Result<(), Failure> {
    serve(|| sql(&places.postgres))
}

pub(crate) fn serve_sqlite(places: &Places) -> Result<(), Failure> {
    serve(|| sql(&places.sqlite))
}

/// Made within the runtime, where stores have their tasks.
fn serve<S: Store>(store: impl FnOnce() -> Result<S, Error>) -> Result<(), Failure> {
    on_tokio(async {
        let sessions = Sessions::builder(store()?).cookie(SessionCookie::new(COOKIE)).build()?;
        let routes = Router::new()
            .route("/untouched", get(async || "ok"))
            .route("/read", get(async |session: Session| Ok::<_, SessionError>(read(&session)?)))
            .route(
                "/increment",
                get(async |session: Session| Ok::<_, SessionError>(increment(&session)?)),
            )
            .route(
                "/create",
                get(async |session: Session| Ok::<_, SessionError>(create(&session)?)),
            )
            .route("/log-out", get(log_out));
        Ok(routes.layer(SessionLayer::new(sessions)))
    })
}

pub(crate) fn read(session: &session_core::Session) -> Result<String, Error> {
    let counter = session.get::<u64>("counter")?;
    Ok(counter.map_or_else(|| NONE.to_owned(), |counter| counter.to_string()))
}

pub(crate) fn increment(session: &session_core::Session) -> Result<String, Error> {
    Ok(session.update("counter", |counter| counter.unwrap_or(0_u64) + 1)?.to_string())
}

pub(crate) fn create(session: &session_core::Session) -> Result<&'static str, Error> {
    let Content { name, address, cart, theme, counter } = Content::new();
    session.insert("name", &name)?;
    session.insert("address", &address)?;
    session.insert("cart", &cart)?;
    session.insert("theme", &theme)?;
    session.insert("counter", &counter)?;
    Ok("0")
}

async fn log_out(session: Session) -> &'static str {
    session.destroy();
    "ok"
}

pub(crate) fn memory(sessions: usize) -> Result<MemoryStore, Error> {
    MemoryStore::builder().max_sessions(sessions).max_bytes(sessions * 1_024).build()
}

pub(crate) fn redis(url: &str, namespace: &str) -> Result<RedisStore, Error> {
    RedisStore::builder(Topology::single(url)?).namespace(namespace).timeout(LATE).build()
}

pub(crate) fn layered(url: &str, namespace: &str) -> Result<Layered, Error> {
    let shared = redis(url, namespace)?;
    // As long as a round, so that what is warm stays so, and room for all that is created.
    Layered::builder(shared).max_bytes(CACHE_BYTES).ttl(Duration::from_secs(3_600)).build()
}

fn sql(url: &str) -> Result<SqlStore, Error> {
    SqlStore::builder(Database::parse(url)?)
        .migrate(true)
        .max_connections(CONNECTIONS)
        .timeout(LATE)
        .build()
}

const CACHE_BYTES: usize = 8 << 30;
/// To PostgreSQL, for each variant.
pub(crate) const CONNECTIONS: usize = 16;

//! What a handler pays that keeps typed values in moka itself: alone, which is the limit of the
//! embedded store; and before Redis, one script for each write, which is that of the layered one.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::routing::get;
use moka::sync::Cache;

use crate::application::{CAPACITY, Content, NONE, on_tokio};
use crate::raw_redis::{Failed, Raw, id_of, new_id, set_cookie};
use crate::variants::{Failure, Places};

#[derive(Clone)]
struct Cached {
    cache: Cache<String, Arc<Content>>,
    redis: Option<Raw>,
}

pub(crate) fn serve_alone(_: &Places) -> Result<(), Failure> {
    on_tokio(async { Ok(routes(None)) })
}

pub(crate) fn serve_before_redis(places: &Places) -> Result<(), Failure> {
    on_tokio(async { Ok(routes(Some(Raw::connect(&places.redis).await?))) })
}

fn routes(redis: Option<Raw>) -> Router {
    let cache = Cache::new(CAPACITY as u64);
    Router::new()
        .route("/untouched", get(async || "ok"))
        .route("/read", get(read))
        .route("/increment", get(increment))
        .route("/create", get(create))
        .with_state(Cached { cache, redis })
}

async fn read(State(cached): State<Cached>, headers: HeaderMap) -> String {
    let content = cached.cache.get(id_of(&headers));
    content.map_or_else(|| NONE.to_owned(), |content| content.counter.to_string())
}

async fn increment(State(cached): State<Cached>, headers: HeaderMap) -> Result<String, Failed> {
    let id = id_of(&headers);
    let Some(content) = cached.cache.get(id) else { return Ok(NONE.to_owned()) };
    let content = Content { counter: content.counter + 1, ..(*content).clone() };
    if let Some(redis) = &cached.redis {
        redis.replace(id, &content).await?;
    }
    let counter = content.counter.to_string();
    cached.cache.insert(id.to_owned(), Arc::new(content));
    Ok(counter)
}

async fn create(State(cached): State<Cached>) -> Result<impl IntoResponse, Failed> {
    let (id, content) = (new_id(), Content::new());
    if let Some(redis) = &cached.redis {
        redis.create(&id, &content).await?;
    }
    let cookie = set_cookie(&id);
    cached.cache.insert(id, Arc::new(content));
    Ok((cookie, "0"))
}

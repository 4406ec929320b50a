//! Many read one session at the same moment, on a node that has not seen it: how often is the shared
//! store asked?

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use session_core::{LazySession, Sessions, Store};
use session_layered::Layered;
use tokio::sync::Barrier;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};

use super::server::Server;
use crate::application::{Content, IDLE_SECONDS};
use crate::variants::{Failure, Places};
use crate::{on_session_kit, on_tower_sessions};

pub(super) async fn run(
    kind: &str,
    readers: usize,
    places: &Places,
) -> Result<serde_json::Value, Failure> {
    match kind {
        "session-kit-layered" => {
            let node = leased(on_session_kit::redis(&places.redis, "stampede")?, 64 << 20).await?;
            session_kit(kind, readers, node, places).await
        }
        "session-kit-redis" => {
            let store = on_session_kit::redis(&places.redis, "stampede")?;
            session_kit(kind, readers, store, places).await
        }
        "tower-sessions-caching" => {
            let store = on_tower_sessions::caching(&places.redis, 10_000).await?;
            tower_sessions(kind, readers, store, places).await
        }
        other => Err(format!("no stampede on `{other}`").into()),
    }
}

/// A layered store that may answer from its cache.
pub(super) async fn leased(shared: impl Store, max_bytes: usize) -> Result<Layered, Failure> {
    let an_hour = std::time::Duration::from_secs(3_600);
    let node = Layered::builder(shared).max_bytes(max_bytes).ttl(an_hour).build()?;
    while node.stats().lease_left.is_zero() {
        tokio::task::yield_now().await;
    }
    Ok(node)
}

async fn session_kit(
    kind: &str,
    readers: usize,
    store: impl Store,
    places: &Places,
) -> Result<serde_json::Value, Failure> {
    let elsewhere = on_session_kit::redis(&places.redis, "stampede")?;
    let cookie = sign_in(&Sessions::builder(elsewhere).build()?).await?;
    let sessions = Sessions::builder(store).build()?;
    let read = move || {
        let lazy: LazySession = sessions.open([cookie.as_bytes()]);
        async move {
            let session = lazy.load().await?;
            Ok(session.get::<u64>("counter")? == Some(0))
        }
    };
    at_once(kind, readers, read, places).await
}

async fn tower_sessions(
    kind: &str,
    readers: usize,
    store: impl SessionStore + Clone,
    places: &Places,
) -> Result<serde_json::Value, Failure> {
    let mut record = tower_record()?;
    on_tower_sessions::redis(&places.redis).await?.create(&mut record).await?;
    let read = move || {
        let (store, id) = (store.clone(), record.id);
        async move { Ok(store.load(&id).await?.is_some()) }
    };
    at_once(kind, readers, read, places).await
}

async fn at_once<F>(
    kind: &str,
    readers: usize,
    read: impl Fn() -> F + Send,
    places: &Places,
) -> Result<serde_json::Value, Failure>
where
    F: Future<Output = Result<bool, Failure>> + Send + 'static,
{
    let mut server = Server::at(&places.redis).await?;
    let start = Arc::new(Barrier::new(readers + 1));
    let tasks: Vec<_> = (0..readers)
        .map(|_| {
            let (start, read) = (Arc::clone(&start), read());
            tokio::spawn(async move {
                start.wait().await;
                read.await
            })
        })
        .collect();
    let before = server.counts().await?;
    start.wait().await;
    let clock = Instant::now();
    for task in tasks {
        if !task.await?? {
            return Err("a reader did not find the session".into());
        }
    }
    let took = clock.elapsed();
    let after = server.counts().await?;
    let loads = after.calls("get") - before.calls("get");
    Ok(json!({
        "variant": kind, "readers": readers, "loads": loads,
        "bytes_from_redis": after.bytes_out - before.bytes_out, "ms": took.as_secs_f64() * 1e3,
    }))
}

/// A new session as a request would make it, and the cookie that opens it: `session=...`.
pub(super) async fn sign_in(sessions: &Sessions) -> Result<String, Failure> {
    let lazy = sessions.open([]);
    let session = lazy.load().await?;
    let Content { name, address, cart, theme, counter } = Content::new();
    session.insert("name", &name)?;
    session.insert("address", &address)?;
    session.insert("cart", &cart)?;
    session.insert("theme", &theme)?;
    session.insert("counter", &counter)?;
    let header = lazy.finish(false).await.header.ok_or("no cookie")?;
    Ok(header.split("; ").next().unwrap_or_default().to_owned())
}

/// The same for tower-sessions' stores.
pub(super) fn tower_record() -> Result<Record, Failure> {
    let serde_json::Value::Object(fields) = serde_json::to_value(Content::new())? else {
        return Err("the content is no object".into());
    };
    let idle = tower_sessions::cookie::time::Duration::seconds(IDLE_SECONDS.into());
    let expiry_date = tower_sessions::cookie::time::OffsetDateTime::now_utc() + idle;
    Ok(Record { id: Id::default(), data: fields.into_iter().collect(), expiry_date })
}

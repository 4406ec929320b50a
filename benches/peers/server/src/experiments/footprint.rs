//! What an idle session takes, in this process or in Redis.

use std::time::Instant;

use serde_json::json;
use session_core::{Sessions, Store};
use tower_sessions::{MemoryStore, SessionStore};
use tower_sessions_moka_store::MokaStore;

use super::server::{Server, resident_bytes};
use super::stampede::{sign_in, tower_record};
use crate::variants::{Failure, Places};
use crate::{on_session_kit, on_tower_sessions};

const WRITERS: usize = 64;

pub(super) async fn run(
    kind: &str,
    sessions: usize,
    places: &Places,
) -> Result<serde_json::Value, Failure> {
    let mut redis = Server::at(&places.redis).await?;
    let (resident, in_redis) = (resident_bytes()?, redis.counts().await?.used_memory);
    let clock = Instant::now();
    // Kept until its memory was looked at.
    let _store: Box<dyn std::any::Any> = match kind {
        "session-kit-memory" => session_kit(on_session_kit::memory(sessions)?, sessions).await?,
        "session-kit-redis" => {
            let store = on_session_kit::redis(&places.redis, "footprint")?;
            session_kit(store, sessions).await?
        }
        "tower-sessions-memory" => tower_sessions(MemoryStore::default(), sessions).await?,
        "tower-sessions-moka" => {
            tower_sessions(MokaStore::new(Some(sessions as u64)), sessions).await?
        }
        "tower-sessions-redis" => {
            tower_sessions(on_tower_sessions::redis(&places.redis).await?, sessions).await?
        }
        other => return Err(format!("`{other}` has no footprint").into()),
    };
    let took = clock.elapsed();
    let process = resident_bytes()?.saturating_sub(resident);
    let redis = redis.counts().await?.used_memory.saturating_sub(in_redis);
    let each = |bytes: u64| bytes as f64 / sessions as f64;
    Ok(json!({
        "variant": kind, "sessions": sessions, "process_bytes_each": each(process),
        "redis_bytes_each": each(redis), "seconds": took.as_secs_f64(),
    }))
}

async fn session_kit(
    store: impl Store,
    sessions: usize,
) -> Result<Box<dyn std::any::Any>, Failure> {
    let manager = Sessions::builder(store).build()?;
    let tasks: Vec<_> = (0..WRITERS)
        .map(|task| {
            let manager = manager.clone();
            tokio::spawn(async move {
                for _ in 0..share(sessions, task) {
                    sign_in(&manager).await?;
                }
                Ok::<_, Failure>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(Box::new(manager))
}

async fn tower_sessions<S: SessionStore + Clone>(
    store: S,
    sessions: usize,
) -> Result<Box<dyn std::any::Any>, Failure> {
    let tasks: Vec<_> = (0..WRITERS)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..share(sessions, task) {
                    store.create(&mut tower_record()?).await?;
                }
                Ok::<_, Failure>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(Box::new(store))
}

/// How many of all sessions the task of this number makes.
fn share(sessions: usize, task: usize) -> usize {
    (sessions + WRITERS - 1 - task) / WRITERS
}

#[cfg(test)]
mod tests {
    use super::{WRITERS, share};

    #[test]
    fn shares_are_the_whole() {
        for sessions in [1, 63, 64, 100, 10_000] {
            assert_eq!((0..WRITERS).map(|task| share(sessions, task)).sum::<usize>(), sessions);
        }
    }
}

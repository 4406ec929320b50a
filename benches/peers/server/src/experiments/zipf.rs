//! More sessions than the cache has room for, some asked for much more often than others.

use std::sync::Arc;

use serde_json::json;
use session_core::Sessions;
use tower_sessions::SessionStore as _;

use super::server::Server;
use super::stampede::{leased, sign_in, tower_record};
use crate::variants::{Failure, Places};
use crate::{on_session_kit, on_tower_sessions};

const READERS: usize = 32;
/// What the layered store counts for one of our sessions: 1,150 bytes and twice the payload.
const WEIGHT: usize = 1_150 + 2 * 300;

/// Sessions by rank; the first is asked for most often.
pub(super) struct Population {
    /// Up to and with this rank, of all requests.
    cumulated: Arc<[f64]>,
    exponent: f64,
}

impl Population {
    pub(super) fn new(sessions: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let mut cumulated: Vec<f64> = (1..=sessions)
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        cumulated.iter_mut().for_each(|share| *share /= sum);
        Self { cumulated: cumulated.into(), exponent }
    }

    /// What a cache would hit that knew the most wanted beforehand, and kept them.
    fn best(&self, cached: usize) -> f64 {
        let last = cached.min(self.cumulated.len()).checked_sub(1);
        last.map_or(0.0, |last| self.cumulated[last])
    }
}

fn draw(cumulated: &[f64], random: &mut fastrand::Rng) -> usize {
    let at = random.f64();
    cumulated.partition_point(|&share| share < at).min(cumulated.len() - 1)
}

pub(super) async fn run(
    kind: &str,
    population: &Population,
    cached: usize,
    reads: usize,
    places: &Places,
) -> Result<serde_json::Value, Failure> {
    let sessions = population.cumulated.len();
    let outcome = match kind {
        "session-kit-layered" => {
            let shared =
                Sessions::builder(on_session_kit::redis(&places.redis, "zipf")?).build()?;
            let mut cookies = Vec::with_capacity(sessions);
            for _ in 0..sessions {
                cookies.push(sign_in(&shared).await?);
            }
            let node = on_session_kit::redis(&places.redis, "zipf")?;
            let node = Sessions::builder(leased(node, cached * WEIGHT).await?).build()?;
            let cookies: Arc<[String]> = cookies.into();
            let read = move |rank: usize| {
                let lazy = node.open([cookies[rank].as_bytes()]);
                async move { Ok(lazy.load().await?.get::<u64>("counter")? == Some(0)) }
            };
            ask(population, reads, read, places).await?
        }
        "tower-sessions-caching" => {
            let shared = on_tower_sessions::redis(&places.redis).await?;
            let mut ids = Vec::with_capacity(sessions);
            for _ in 0..sessions {
                let mut record = tower_record()?;
                shared.create(&mut record).await?;
                ids.push(record.id);
            }
            let node = on_tower_sessions::caching(&places.redis, cached as u64).await?;
            let read = move |rank: usize| {
                let (node, id) = (node.clone(), ids[rank]);
                async move { Ok(node.load(&id).await?.is_some()) }
            };
            ask(population, reads, read, places).await?
        }
        other => return Err(format!("no such reads on `{other}`").into()),
    };
    Ok(json!({
        "variant": kind, "sessions": sessions, "cached": cached, "exponent": population.exponent,
        "reads": reads, "hit_ratio": 1.0 - outcome, "redis_reads_per_read": outcome,
        "best_possible": population.best(cached),
    }))
}

/// The first half warms up; of the second is told how many commands Redis ran for each read.
async fn ask<F>(
    population: &Population,
    reads: usize,
    read: impl Fn(usize) -> F + Send + Sync + 'static,
    places: &Places,
) -> Result<f64, Failure>
where
    F: Future<Output = Result<bool, Failure>> + Send + 'static,
{
    let mut server = Server::at(&places.redis).await?;
    let read = Arc::new(read);
    let mut before = server.counts().await?;
    for half in 0..2_u64 {
        before = server.counts().await?;
        let tasks: Vec<_> = (0..READERS)
            .map(|task| {
                let (cumulated, read) = (Arc::clone(&population.cumulated), Arc::clone(&read));
                let mut random = fastrand::Rng::with_seed(half * 1_000 + task as u64);
                tokio::spawn(async move {
                    for _ in 0..reads / READERS {
                        if !read(draw(&cumulated, &mut random)).await? {
                            return Err("a session is gone".into());
                        }
                    }
                    Ok::<_, Failure>(())
                })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
    }
    let after = server.counts().await?;
    let asked = (reads / READERS * READERS) as f64;
    Ok((after.calls("get") - before.calls("get")) as f64 / asked)
}

//! What an idle session takes: growth of the server process and of Redis over many that are created.

use session_testkit::servers::Redis;

use crate::Failure;
use crate::connection::Connection;
use crate::load::{self, Route, Until};
use crate::places::Places;
use crate::results::Idle;
use crate::server::Server;
use crate::variants::{Store, Variant};
use crate::{cell, redis_counts};

pub(crate) async fn weigh(
    variants: &[Variant],
    sessions: usize,
    places: &Places,
) -> Result<Vec<Idle>, Failure> {
    let mut all = Vec::new();
    let keeps =
        |variant: &&Variant| matches!(variant.store, Store::Process | Store::Redis | Store::Both);
    for variant in variants.iter().filter(keeps) {
        let idle = one(*variant, sessions, places).await;
        let idle = idle.map_err(|error| format!("{}, memory: {error}", variant.name))?;
        eprintln!("{}: {:.0} bytes", variant.name, idle.process_bytes);
        all.push(idle);
    }
    Ok(all)
}

async fn one(variant: Variant, sessions: usize, places: &Places) -> Result<Idle, Failure> {
    // An empty one: how much of its table a key takes depends on how many there are.
    let redis = Redis::start().await;
    let server = Server::start(variant.name, &places.arguments_at(&redis)).await?;
    let mut connections = Vec::new();
    for _ in 0..cell::CONNECTIONS {
        connections.push(Connection::to(server.address).await?);
    }
    // What the process needs anyway is there before the first look.
    let warm_up = Until::Answers(100);
    load::run(&mut connections, Route::Create, warm_up).await?;
    let resident = server.resident()?;
    let (in_redis, keys) = redis_counts::memory(&redis).await?;

    let each = Until::Answers(sessions / cell::CONNECTIONS);
    let created = load::run(&mut connections, Route::Create, each).await?.requests();
    let grown = server.resident()?.saturating_sub(resident);
    let (redis_after, keys_after) = redis_counts::memory(&redis).await?;
    if variant.asks_redis() && keys_after.saturating_sub(keys) < created {
        return Err(format!("{} keys for {created} sessions", keys_after - keys).into());
    }
    let per_session = |bytes: u64| bytes as f64 / created as f64;
    let redis_bytes = per_session(redis_after.saturating_sub(in_redis));
    Ok(Idle {
        variant: variant.name,
        sessions: created,
        process_bytes: per_session(grown),
        redis_bytes: variant.asks_redis().then_some(redis_bytes),
    })
}

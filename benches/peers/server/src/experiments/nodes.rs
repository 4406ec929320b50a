//! Several nodes on one Redis: what their echoes cost while nobody writes, and what a write costs that
//! all of them hear of.

use std::time::{Duration, Instant};

use serde_json::json;
use session_core::Sessions;
use session_layered::Layered;

use super::server::{Counts, Server};
use super::stampede::{leased, sign_in};
use crate::on_session_kit;
use crate::variants::{Failure, Places};

const IDLE: Duration = Duration::from_secs(5);
const WRITERS: usize = 16;

pub(super) async fn run(
    nodes: usize,
    writes: usize,
    places: &Places,
) -> Result<serde_json::Value, Failure> {
    let mut all = Vec::with_capacity(nodes);
    for _ in 0..nodes {
        all.push(leased(on_session_kit::redis(&places.redis, "nodes")?, 64 << 20).await?);
    }
    let mut server = Server::at(&places.redis).await?;
    let (idle_before, clock) = (server.counts().await?, Instant::now());
    tokio::time::sleep(IDLE).await;
    let (idle, idle_for) =
        (Change::between(&idle_before, &server.counts().await?), clock.elapsed());

    let sessions = Sessions::builder(all[0].clone()).build()?;
    let mut cookies = Vec::new();
    for _ in 0..WRITERS {
        cookies.push(sign_in(&sessions).await?);
    }
    let heard_before = heard(&all);
    let (before, clock) = (server.counts().await?, Instant::now());
    let cpu = crate::control::cpu_nanos();
    write(&sessions, cookies, writes / WRITERS).await?;
    let took = clock.elapsed();
    let written = (writes / WRITERS * WRITERS) as u64;
    // Those that come behind the last write count too.
    let deadline = Instant::now() + Duration::from_secs(10);
    let others = nodes as u64 - 1;
    while heard(&all) - heard_before < written * others && Instant::now() < deadline {
        tokio::task::yield_now().await;
    }
    let heard = heard(&all) - heard_before;
    let cpu_us = (crate::control::cpu_nanos() - cpu) as f64 / 1e3;
    let busy = Change::between(&before, &server.counts().await?);
    let (nodes, written, seconds) = (nodes as f64, written as f64, idle_for.as_secs_f64());
    Ok(json!({
        "nodes": nodes, "writes": written, "seconds": took.as_secs_f64(),
        "echoes_per_node_second": idle.scripts / nodes / seconds,
        "echo_commands_per_node_second": idle.commands / nodes / seconds,
        "echo_bytes_in_per_node_second": idle.bytes_in / nodes / seconds,
        "echo_bytes_out_per_node_second": idle.bytes_out / nodes / seconds,
        "redis_cpu_us_per_echo": idle.cpu_us / idle.scripts,
        "announcements_per_write": busy.published / written,
        "heard_per_write_and_other_node": heard as f64 / written / others as f64,
        "redis_bytes_out_per_write": busy.bytes_out / written,
        "redis_cpu_us_per_write": busy.cpu_us / written,
        "nodes_cpu_us_per_write": cpu_us / written,
    }))
}

async fn write(sessions: &Sessions, cookies: Vec<String>, each: usize) -> Result<(), Failure> {
    let tasks: Vec<_> = cookies
        .into_iter()
        .map(|cookie| {
            let sessions = sessions.clone();
            tokio::spawn(async move {
                for _ in 0..each {
                    let lazy = sessions.open([cookie.as_bytes()]);
                    let session = lazy.load().await?;
                    session.update("counter", |counter| counter.unwrap_or(0_u64) + 1)?;
                    if let Some(error) = lazy.finish(false).await.error {
                        return Err(error.into());
                    }
                }
                let session = sessions.open([cookie.as_bytes()]).load().await?;
                match session.get::<u64>("counter")? {
                    Some(counter) if counter == each as u64 => Ok(()),
                    other => Err(Failure::from(format!("{other:?} of {each} writes are there"))),
                }
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// Announcements that the nodes have handled which do not write themselves, whether they concerned
/// something cached or not.
fn heard(nodes: &[Layered]) -> u64 {
    let stats = nodes[1..].iter().map(Layered::stats);
    stats.map(|stats| stats.evicted + stats.unneeded).sum()
}

/// What Redis did meanwhile.
struct Change {
    commands: f64,
    scripts: f64,
    published: f64,
    bytes_in: f64,
    bytes_out: f64,
    cpu_us: f64,
}

impl Change {
    fn between(before: &Counts, after: &Counts) -> Self {
        let calls = |name| (after.calls(name) - before.calls(name)) as f64;
        Self {
            // Without our own question.
            commands: (after.all_calls() - before.all_calls() - 1) as f64,
            scripts: calls("evalsha"),
            published: calls("publish"),
            bytes_in: (after.bytes_in - before.bytes_in) as f64,
            bytes_out: (after.bytes_out - before.bytes_out) as f64,
            cpu_us: (after.cpu_seconds - before.cpu_seconds) * 1e6,
        }
    }
}

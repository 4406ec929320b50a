//! `bench scaling`: bytes per session by their number, what nodes on one Redis cost, and what follows for
//! a fleet.

mod fleet;

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use session_testkit::servers::Redis;

use crate::Failure;
use crate::environment::Environment;
use crate::experiment::{self, figure};
use crate::options::Options;
use crate::places::Places;
use crate::summary::thousands;
use crate::svg::{self, Line};

#[derive(Debug, Serialize)]
struct Scaling {
    environment: Environment,
    footprints: Vec<Value>,
    nodes: Vec<Value>,
}

pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    let places = Places::open().await?;
    let mut environment = Environment::look(&options.line, &places).await?;
    let most = if options.quick { 10_000 } else { options.sessions };
    let mut footprints = Vec::new();
    let numbers = [10_000, 100_000, 1_000_000, 10_000_000];
    for sessions in numbers.into_iter().filter(|&sessions| sessions <= most) {
        for variant in KEPT {
            // Ours alone go to the largest: it takes minutes, and all of the machine.
            if sessions > 1_000_000 && !variant.starts_with("session-kit") {
                continue;
            }
            // One of its own, gone before the next.
            let redis = Redis::start().await;
            let arguments = ["footprint", variant, &sessions.to_string()];
            footprints.push(experiment::run(&arguments, &redis.url()).await?);
        }
    }
    let writes = if options.quick { "3200" } else { "48000" };
    let mut nodes: [Vec<Value>; 4] = Default::default();
    for _ in 0..if options.quick { 1 } else { ROUNDS } {
        for (count, rounds) in ["1", "2", "4", "8"].into_iter().zip(&mut nodes) {
            let redis = Redis::start().await;
            rounds.push(experiment::run(&["nodes", count, writes], &redis.url()).await?);
        }
    }
    let nodes = nodes.into_iter().map(middle).collect::<Result<_, _>>()?;
    environment.ends();
    report(&Scaling { environment, footprints, nodes }, options)
}

/// Of nodes: what they cost is told apart by fractions of a microsecond.
const ROUNDS: usize = 5;

/// The round in which a write cost Redis no more than in half of them, and no less.
fn middle(mut rounds: Vec<Value>) -> Result<Value, Failure> {
    let cost = |round: &Value| figure(round, "redis_cpu_us_per_write").unwrap_or(f64::INFINITY);
    rounds.sort_by(|one, other| cost(one).total_cmp(&cost(other)));
    let at = rounds.len() / 2;
    rounds.into_iter().nth(at).ok_or_else(|| "no rounds".into())
}

const KEPT: [&str; 5] = [
    "session-kit-memory",
    "session-kit-redis",
    "tower-sessions-memory",
    "tower-sessions-moka",
    "tower-sessions-redis",
];

fn report(scaling: &Scaling, options: &Options) -> Result<(), Failure> {
    let mut text = format!(
        "# Sessions by the million, nodes by the thousand\n\nWritten by `cargo xtask bench scaling`; see \
         [benches/README.md](../README.md).\n\n{}\n## Bytes of an idle session of 283 bytes\n\nIn the \
         process for what keeps them there, in Redis for the rest.\n\n| | sessions | bytes each | seconds \
         to make them |\n|---|---|---|---|\n",
        scaling.environment.markdown()
    );
    for one in &scaling.footprints {
        let name = one["variant"].as_str().unwrap_or_default();
        let (sessions, seconds) = (figure(one, "sessions")?, figure(one, "seconds")?);
        let (sessions, bytes) = (thousands(sessions), thousands(bytes_each(one)?));
        let _ = writeln!(text, "| {name} | {sessions} | {bytes} | {seconds:.1} |");
    }
    nodes(&mut text, &scaling.nodes)?;
    let measured = fleet::Measured::of(&scaling.footprints, &scaling.nodes)?;
    text.push_str(&fleet::calculate(&measured));
    println!("{text}");
    if let Some(folder) = &options.write {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("scaling.md"), &text)?;
        let json = serde_json::to_string_pretty(scaling)?;
        std::fs::write(folder.join("scaling.json"), json + "\n")?;
        std::fs::write(folder.join("bytes.svg"), bytes_plot(&scaling.footprints)?)?;
        std::fs::write(folder.join("nodes.svg"), nodes_plot(&scaling.nodes)?)?;
    }
    Ok(())
}

fn bytes_each(footprint: &Value) -> Result<f64, Failure> {
    let in_redis = footprint["variant"].as_str().is_some_and(|name| name.ends_with("-redis"));
    figure(footprint, if in_redis { "redis_bytes_each" } else { "process_bytes_each" })
}

fn nodes(text: &mut String, nodes: &[Value]) -> Result<(), Failure> {
    text.push_str(
        "\n## Nodes of the layered store on one Redis\n\nAll nodes in one process, each with its own \
         connections; one of them writes. Of five interleaved rounds the one in which a write cost Redis \
         the median.\n\n| nodes | echoes per node and second | commands that Redis \
         executes for them | bytes to / from Redis for them | µs of Redis in an idle second | announcements per \
         write | heard per write and other node | bytes from Redis per write | µs of Redis per write | µs of \
         all nodes per write |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for one in nodes {
        let show =
            |name, decimals: usize| Ok::<_, Failure>(format!("{:.decimals$}", figure(one, name)?));
        let heard = one["heard_per_write_and_other_node"].as_f64();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} / {} | {:.0} | {} | {} | {} | {} | {} |",
            show("nodes", 0)?,
            show("echoes_per_node_second", 2)?,
            show("echo_commands_per_node_second", 1)?,
            show("echo_bytes_in_per_node_second", 0)?,
            show("echo_bytes_out_per_node_second", 0)?,
            idle_us(one)?,
            show("announcements_per_write", 3)?,
            heard.map_or("–".to_owned(), |heard| format!("{heard:.3}")),
            show("redis_bytes_out_per_write", 0)?,
            show("redis_cpu_us_per_write", 1)?,
            show("nodes_cpu_us_per_write", 1)?,
        );
    }
    Ok(())
}

/// CPU of Redis in a second in which nobody writes: its own housekeeping, and the echoes of all nodes.
fn idle_us(one: &Value) -> Result<f64, Failure> {
    let echoes = figure(one, "echoes_per_node_second")? * figure(one, "nodes")?;
    Ok(figure(one, "redis_cpu_us_per_echo")? * echoes)
}

fn bytes_plot(footprints: &[Value]) -> Result<String, Failure> {
    let mut lines = Vec::new();
    for name in KEPT {
        let mut points = Vec::new();
        for one in footprints.iter().filter(|one| one["variant"] == name) {
            points.push((figure(one, "sessions")?, bytes_each(one)?));
        }
        lines.push(Line { name, points });
    }
    let places = [(1e4, "10⁴"), (1e5, "10⁵"), (1e6, "10⁶"), (1e7, "10⁷")];
    Ok(svg::lines("Bytes of an idle session, by the number of sessions", &places, &lines))
}

fn nodes_plot(nodes: &[Value]) -> Result<String, Failure> {
    let line = |name: &'static str, field: &str| -> Result<Line<'static>, Failure> {
        let points = nodes.iter().map(|one| Ok((figure(one, "nodes")?, figure(one, field)?)));
        Ok(Line { name, points: points.collect::<Result<_, Failure>>()? })
    };
    let lines = [
        line("CPU of Redis, µs", "redis_cpu_us_per_write")?,
        line("CPU of all nodes, µs", "nodes_cpu_us_per_write")?,
    ];
    let places = [(1.0, "1"), (2.0, "2"), (4.0, "4"), (8.0, "8")];
    Ok(svg::lines("For a write, by the number of nodes that hear of it", &places, &lines))
}

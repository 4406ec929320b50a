//! `bench latency`: how soon a log-out is known on another node, what a stampede costs, and what is
//! asked of Redis if there are more sessions than a cache has room for.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use crate::Failure;
use crate::connection::{Connection, request};
use crate::environment::Environment;
use crate::experiment::{self, figure};
use crate::options::Options;
use crate::places::Places;
use crate::server::Server;
use crate::summary::thousands;
use crate::svg::{self, Line};

#[derive(Debug, Serialize)]
struct Latency {
    environment: Environment,
    log_outs: Vec<LogOuts>,
    stampedes: Vec<Value>,
    populations: Vec<Value>,
}

/// From the acknowledgement by one process to the first refusal by another that had the session.
#[derive(Debug, Serialize)]
struct LogOuts {
    variant: &'static str,
    sessions: usize,
    /// Those that the other still served when patience was over.
    never: usize,
    milliseconds: Vec<f64>,
}

pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    let places = Places::open().await?;
    let mut environment = Environment::look(&options.line, &places).await?;
    let many = if options.quick { 200 } else { 2_000 };
    let mut log_outs = Vec::new();
    for (variant, sessions) in [
        ("session-kit-layered", many),
        ("session-kit-redis", many),
        ("tower-sessions-redis", many),
        // Each may have to be waited for.
        ("tower-sessions-caching", 5),
        ("axum_session-redis", 5),
    ] {
        log_outs.push(time(variant, sessions, &places).await?);
    }
    let redis = places.redis.url();
    let (mut stampedes, mut populations) = (Vec::new(), Vec::new());
    let crowds: &[&str] = if options.quick { &["10000"] } else { &["10000", "100000"] };
    for readers in crowds {
        for variant in ["session-kit-layered", "session-kit-redis", "tower-sessions-caching"] {
            stampedes.push(experiment::run(&["stampede", variant, readers], &redis).await?);
        }
    }
    let reads = if options.quick { "100000" } else { "1000000" };
    for exponent in ["0.8", "1.0", "1.2"] {
        for variant in ["session-kit-layered", "tower-sessions-caching"] {
            let arguments = ["zipf", variant, "100000", "10000", exponent, reads];
            populations.push(experiment::run(&arguments, &redis).await?);
        }
    }
    environment.ends();
    report(&Latency { environment, log_outs, stampedes, populations }, options)
}

async fn time(variant: &'static str, sessions: usize, places: &Places) -> Result<LogOuts, Failure> {
    eprintln!("{variant}: {sessions} log-outs");
    let (one, other) = (
        Server::start(variant, &places.arguments()).await?,
        Server::start(variant, &places.arguments()).await?,
    );
    let mut result = LogOuts { variant, sessions, never: 0, milliseconds: Vec::new() };
    for _ in 0..sessions {
        let mut here = Connection::signed_in(one.address).await?;
        let mut there = here.same_session(other.address).await?;
        // The first makes it cached there, if anything does.
        for _ in 0..3 {
            there.counter().await?;
        }
        here.get("/log-out").await?;
        let acknowledged = Instant::now();
        let read = request("/read", &there.cookies);
        loop {
            let refused = there.ask(&read).await?.ok()?.body == b"none";
            let waited = acknowledged.elapsed();
            if refused {
                result.milliseconds.push(waited.as_secs_f64() * 1e3);
                break;
            }
            if waited > PATIENCE {
                result.never += 1;
                break;
            }
        }
    }
    result.milliseconds.sort_by(f64::total_cmp);
    Ok(result)
}

/// More than the bound of the layered store, twice over.
const PATIENCE: Duration = Duration::from_secs(5);

impl LogOuts {
    fn at(&self, part: f64) -> String {
        let Some(last) = self.milliseconds.len().checked_sub(1) else { return "–".to_owned() };
        format!("{:.2}", self.milliseconds[(last as f64 * part) as usize])
    }
}

fn report(latency: &Latency, options: &Options) -> Result<(), Failure> {
    let mut text = format!(
        "# Log-outs, stampedes, and more sessions than the cache has room for\n\nWritten by `cargo xtask \
         bench latency`; see [benches/README.md](../README.md).\n\n{}\n## From a log-out that is \
         acknowledged by one process to its refusal by another, ms\n\nThe other process holds the session, \
         and is asked over HTTP without a pause.\n\n| | log-outs | p50 | p99 | most | still served after \
         {} s |\n|---|---|---|---|---|---|\n",
        latency.environment.markdown(),
        PATIENCE.as_secs(),
    );
    for one in &latency.log_outs {
        let (p50, p99, most) = (one.at(0.5), one.at(0.99), one.at(1.0));
        let LogOuts { variant, sessions, never, .. } = one;
        let _ = writeln!(text, "| {variant} | {sessions} | {p50} | {p99} | {most} | {never} |");
    }
    text.push_str(
        "\n## Many readers of one session at once, none of which has it\n\n| | readers | loads from Redis | \
         KiB from Redis | ms until all have it |\n|---|---|---|---|---|\n",
    );
    for one in &latency.stampedes {
        let name = one["variant"].as_str().unwrap_or_default();
        let (readers, loads) = (figure(one, "readers")?, figure(one, "loads")?);
        let (kilobytes, ms) = (figure(one, "bytes_from_redis")? / 1_024.0, figure(one, "ms")?);
        let (readers, loads) = (thousands(readers), thousands(loads));
        let _ = writeln!(text, "| {name} | {readers} | {loads} | {kilobytes:.0} | {ms:.0} |");
    }
    populations(&mut text, &latency.populations)?;
    println!("{text}");
    if let Some(folder) = &options.write {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("latency.md"), &text)?;
        let json = serde_json::to_string_pretty(latency)?;
        std::fs::write(folder.join("latency.json"), json + "\n")?;
        std::fs::write(folder.join("hit-ratio.svg"), hit_ratio(&latency.populations)?)?;
    }
    Ok(())
}

fn populations(text: &mut String, populations: &[Value]) -> Result<(), Failure> {
    text.push_str(
        "\n## 100,000 sessions, room for 10,000, asked for as Zipf has it\n\nThe best possible is a cache \
         that knew the most wanted beforehand.\n\n| exponent | | hits | best possible | reads of Redis for \
         1,000 reads |\n|---|---|---|---|---|\n",
    );
    for one in populations {
        let name = one["variant"].as_str().unwrap_or_default();
        let (exponent, hits) = (figure(one, "exponent")?, figure(one, "hit_ratio")? * 100.0);
        let best = figure(one, "best_possible")? * 100.0;
        let asked = figure(one, "redis_reads_per_read")? * 1_000.0;
        let _ =
            writeln!(text, "| {exponent:.1} | {name} | {hits:.1} % | {best:.1} % | {asked:.0} |");
    }
    Ok(())
}

fn hit_ratio(populations: &[Value]) -> Result<String, Failure> {
    let names = ["session-kit-layered", "tower-sessions-caching"];
    let mut lines = Vec::new();
    for name in names {
        let mut points = Vec::new();
        for one in populations.iter().filter(|one| one["variant"] == name) {
            points.push((figure(one, "exponent")?, figure(one, "hit_ratio")?));
        }
        lines.push(Line { name, points });
    }
    let mut points = Vec::new();
    for one in populations.iter().filter(|one| one["variant"] == names[0]) {
        points.push((figure(one, "exponent")?, figure(one, "best_possible")?));
    }
    lines.push(Line { name: "best possible", points });
    let places = [(0.8, "0.8"), (1.0, "1.0"), (1.2, "1.2")];
    Ok(svg::lines("Hits, of all reads, by the exponent of Zipf's law", &places, &lines))
}

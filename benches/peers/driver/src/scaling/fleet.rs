//! On paper: what 1,000 nodes and 10^8 sessions cost, from what a few of them did here.

use serde_json::Value;

use crate::Failure;
use crate::experiment::figure;
use crate::summary::thousands;

/// What the calculation begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// Of the largest number that was measured.
    redis_bytes_each: f64,
    cpu_us_per_echo: f64,
    echoes_per_second: f64,
    /// What every further node adds to a write: on Redis, and in all nodes together.
    delivery_us: f64,
    delivery_bytes: f64,
    heard_us: f64,
    /// A write without anybody else to hear of it.
    write_us: f64,
}

impl Measured {
    pub(super) fn of(footprints: &[Value], nodes: &[Value]) -> Result<Self, Failure> {
        let in_redis = footprints.iter().rfind(|one| one["variant"] == "session-kit-redis");
        let (first, last) = (nodes.first().ok_or("no nodes")?, nodes.last().ok_or("no nodes")?);
        let others = figure(last, "nodes")? - figure(first, "nodes")?;
        let slope = |name: &str| -> Result<f64, Failure> {
            Ok((figure(last, name)? - figure(first, name)?) / others)
        };
        let delivery_us = slope("redis_cpu_us_per_write")?;
        let echoes = figure(last, "echoes_per_node_second")?;
        Ok(Self {
            redis_bytes_each: figure(in_redis.ok_or("no footprint")?, "redis_bytes_each")?,
            cpu_us_per_echo: (super::idle_us(last)? - super::idle_us(first)?) / others / echoes,
            echoes_per_second: echoes,
            delivery_us,
            delivery_bytes: slope("redis_bytes_out_per_write")?,
            heard_us: slope("nodes_cpu_us_per_write")?,
            // The one node hears itself.
            write_us: figure(first, "redis_cpu_us_per_write")? - delivery_us,
        })
    }
}

const NODES: f64 = 1_000.0;
const SESSIONS: f64 = 1e8;
/// Of the fleet: each session asks every 100 s.
const REQUESTS: f64 = SESSIONS / 100.0;
const WRITES: f64 = REQUESTS / 10.0;
/// A tenth of the idle timeout of 30 minutes.
const TOUCH_EVERY: f64 = 180.0;
/// How far a core of Redis is to be loaded.
const LOADED: f64 = 0.5;

pub(super) fn calculate(measured: &Measured) -> String {
    let Measured {
        redis_bytes_each,
        cpu_us_per_echo,
        echoes_per_second,
        delivery_us,
        delivery_bytes,
        heard_us,
        write_us,
    } = *measured;
    let memory = SESSIONS * redis_bytes_each / f64::from(1 << 30);
    let touches = SESSIONS / TOUCH_EVERY;
    let deliveries = WRITES * NODES;
    let cores = |per_second: f64, us: f64| per_second * us / 1e6;
    let (writing, touching) = (cores(WRITES, write_us), cores(touches, write_us));
    let announcing = cores(deliveries, delivery_us);
    let primaries = ((writing + touching + announcing) / LOADED).ceil();
    let without = ((writing + touching) / LOADED).ceil();
    let echoes = NODES * echoes_per_second;
    format!(
        "\n## On paper: 1,000 nodes, 10⁸ sessions\n\n\
         Taken for granted, not measured: each session asks every 100 s, so {requests} requests a second, \
         1,000 for each node; one in ten writes, so {writes} writes a second; all sessions are in use, so each \
         is touched every {TOUCH_EVERY:.0} s (a tenth of 30 minutes), {touches} touches a second in batches, each \
         counted here as dear as a write, which it is not; cores like these, of which a Redis is to use \
         half; that what 1 to 8 nodes showed goes on in a straight line.\n\n\
         | | from | in all | |\n|---|---|---|---|\n\
         | memory | {redis_bytes_each:.0} bytes a session | {memory:.0} GiB | of all primaries, \
         without replicas |\n\
         | writes | {write_us:.1} µs of Redis | {writing:.1} cores | grows with traffic |\n\
         | touches | the same | {touching:.1} cores | grows with sessions; not announced |\n\
         | **announcements** | {delivery_us:.2} µs of Redis and {delivery_bytes:.0} bytes for each node that \
         hears one | **{announcing:.0} cores, {gigabytes:.1} GB/s** | grows with writes *times* nodes |\n\
         | hearing them | {heard_us:.1} µs of a node | {heard:.2} cores of each node | grows with all writes \
         of the fleet |\n\
         | echoes | {cpu_us_per_echo:.0} µs of Redis, {echoes_per_second:.1} a second | {echo_core:.2} \
         cores of *each* primary | grows with nodes; every primary has to answer all of them |\n\n\
         **The first bottleneck is the fan-out of announcements**: {deliveries} deliveries a second. It takes \
         {primaries} primaries rather than {without}, and each node hears {writes} announcements a second, of \
         which hardly any concerns what it has cached. So many primaries are dear in turn: each node then has \
         {primaries} subscriptions and sends {node_echoes:.0} echoes a second, each of which makes a primary of a \
         Cluster list all its nodes as well, which was not measured here.\n\n\
         What the design does about it: reads, touches and sessions of visitors that store nothing are not \
         announced, only changes are, in 43 bytes; each primary of a Cluster is a lane with its own subscription, \
         lease and echo, so that the work divides by the number of primaries, and one that is behind \
         silences its own slots only; a node that cannot keep up loses its lease, and asks Redis rather \
         than lie. What it does not do: every node hears of every change. A Cluster besides passes each message \
         on to all of its primaries, over a bus of its own, which was not measured here; sharded channels \
         were rejected for what scripts may use (DESIGN.md). Beyond some hundred nodes the fleet should be cut \
         into cells by customer or region, a namespace and a Cluster for each: ten cells of 100 nodes have \
         a tenth of the deliveries, {tenth:.0} cores. Or the cache is used where it pays: at random over 1,000 nodes a \
         session meets the same node about once in a day, and only routing by session, or several requests on one \
         connection, makes hits; without either, `RedisStore` alone costs {requests} reads a second, and no \
         announcements (`without_announcements`).\n",
        requests = thousands(REQUESTS),
        writes = thousands(WRITES),
        touches = thousands(touches),
        deliveries = thousands(deliveries),
        gigabytes = deliveries * delivery_bytes / 1e9,
        heard = cores(WRITES, heard_us),
        node_echoes = primaries * echoes_per_second,
        echo_core = cores(echoes, cpu_us_per_echo),
        tenth = announcing / 10.0,
    )
}

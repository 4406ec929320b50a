//! What was measured, raw: as it is written to JSON.

use serde::Serialize;

use crate::environment::Environment;

#[derive(Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) environment: Environment,
    pub(crate) cells: Vec<Cell>,
    /// Commands that clients send Redis for a request, by a count of single ones.
    pub(crate) sent: Vec<Sent>,
    pub(crate) races: Vec<Race>,
    pub(crate) idle: Vec<Idle>,
}

/// One variant and route in one round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cell {
    pub(crate) variant: &'static str,
    pub(crate) route: &'static str,
    pub(crate) round: usize,
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    /// User and system time of the server process, for a request.
    pub(crate) cpu_us: f64,
    /// Over the floor's in the same round, measured next to it.
    pub(crate) ratio: Option<f64>,
    pub(crate) requests_per_second: f64,
    pub(crate) p50_us: u32,
    pub(crate) p99_us: u32,
    /// For a request; commands are all that Redis executes, those within scripts too.
    pub(crate) redis_executed: Option<f64>,
    pub(crate) redis_bytes_in: Option<f64>,
    pub(crate) redis_bytes_out: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sent {
    pub(crate) variant: &'static str,
    pub(crate) route: &'static str,
    pub(crate) commands: f64,
}

/// 1,280 increments of one session by 64 clients.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Race {
    pub(crate) variant: &'static str,
    /// Server processes that shared the clients.
    pub(crate) nodes: usize,
    pub(crate) increments: u64,
    pub(crate) kept: u64,
}

/// What an idle session takes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Idle {
    pub(crate) variant: &'static str,
    pub(crate) sessions: u64,
    pub(crate) process_bytes: f64,
    pub(crate) redis_bytes: Option<f64>,
}

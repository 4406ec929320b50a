//! Load: every connection asks again as soon as it is answered.

use std::time::{Duration, Instant};

use crate::Failure;
use crate::connection::{Connection, request};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Route {
    Untouched,
    Read,
    Increment,
    Create,
}

impl Route {
    pub(crate) const ALL: [Self; 4] = [Self::Untouched, Self::Read, Self::Increment, Self::Create];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Untouched => "untouched",
            Self::Read => "read",
            Self::Increment => "increment",
            Self::Create => "create",
        }
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Untouched => "/untouched",
            Self::Read => "/read",
            Self::Increment => "/increment",
            Self::Create => "/create",
        }
    }

    /// As for this connection: who creates a session comes without one.
    pub(crate) fn request(self, connection: &Connection) -> Vec<u8> {
        let cookies = if self == Self::Create { "" } else { connection.cookies.as_str() };
        request(self.path(), cookies)
    }
}

/// When connections stop asking.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    Passed(Duration),
    /// So many answers for each.
    Answers(usize),
}

pub(crate) struct Load {
    pub(crate) elapsed: Duration,
    /// Of each answer, in microseconds, in order of size.
    pub(crate) latencies: Vec<u32>,
    /// Answers for each connection.
    pub(crate) answers: Vec<u64>,
}

impl Load {
    pub(crate) fn requests(&self) -> u64 {
        self.answers.iter().sum()
    }

    pub(crate) fn latency(&self, part: f64) -> u32 {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * part) as usize).copied().unwrap_or_default()
    }
}

/// Puts load on a server. Connections are given back; one answer that is not good spoils it all.
pub(crate) async fn run(
    connections: &mut Vec<Connection>,
    route: Route,
    until: Until,
) -> Result<Load, Failure> {
    let clock = Instant::now();
    let tasks: Vec<_> = std::mem::take(connections)
        .into_iter()
        .map(|connection| tokio::spawn(ask(connection, route, until)))
        .collect();
    let mut load = Load { elapsed: Duration::ZERO, latencies: Vec::new(), answers: Vec::new() };
    for task in tasks {
        let (connection, latencies) = task.await??;
        connections.push(connection);
        load.answers.push(latencies.len() as u64);
        load.latencies.extend(latencies);
    }
    load.elapsed = clock.elapsed();
    load.latencies.sort_unstable();
    Ok(load)
}

async fn ask(
    mut connection: Connection,
    route: Route,
    until: Until,
) -> Result<(Connection, Vec<u32>), Failure> {
    let request = route.request(&connection);
    let mut latencies = Vec::with_capacity(16_384);
    let start = Instant::now();
    let mut asked = start;
    loop {
        let answer = connection.ask(&request).await?.ok()?;
        if answer.body == b"none" {
            return Err(format!("{} found no session", route.path()).into());
        }
        if route == Route::Create && answer.cookies.is_empty() {
            return Err("/create set no cookie".into());
        }
        let answered = Instant::now();
        latencies.push(u32::try_from((answered - asked).as_micros()).unwrap_or(u32::MAX));
        asked = answered;
        let done = match until {
            Until::Passed(duration) => answered - start >= duration,
            Until::Answers(answers) => latencies.len() >= answers,
        };
        if done {
            return Ok((connection, latencies));
        }
    }
}

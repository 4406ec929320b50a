//! One measurement, and the checks without which it does not count.

use crate::Failure;
use crate::connection::Connection;
use crate::load::{self, Load, Route, Until};
use crate::options::Options;
use crate::places::Places;
use crate::redis_counts::{Monitor, RedisCounts};
use crate::results::Cell;
use crate::server::Server;
use crate::variants::{Kind, Variant};

/// A variant that runs, and its clients.
pub(crate) struct Running {
    pub(crate) variant: Variant,
    pub(crate) server: Server,
    /// Of each client's session; empty without one.
    cookies: Vec<String>,
}

/// Clients of each server.
pub(crate) const CONNECTIONS: usize = 32;

impl Running {
    pub(crate) async fn start(variant: Variant, places: &[String]) -> Result<Self, Failure> {
        let server = Server::start(variant.name, places).await?;
        let mut cookies = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            cookies.push(match variant.kind {
                Kind::Floor => String::new(),
                _ => Connection::signed_in(server.address).await?.cookies,
            });
        }
        Ok(Self { variant, server, cookies })
    }

    /// Made anew for each cell: some servers close what is idle for a few seconds.
    async fn connect(&self) -> Result<Vec<Connection>, Failure> {
        let mut connections = Vec::with_capacity(self.cookies.len());
        for cookies in &self.cookies {
            let connection = Connection::to(self.server.address).await?;
            connections.push(connection.with_cookies(cookies));
        }
        Ok(connections)
    }

    pub(crate) fn has(&self, route: Route) -> bool {
        self.variant.kind != Kind::Floor || route == Route::Untouched
    }

    pub(crate) async fn measure(
        &mut self,
        route: Route,
        round: usize,
        options: &Options,
        places: &Places,
    ) -> Result<Cell, Failure> {
        let checked = route == Route::Increment;
        let mut connections = self.connect().await?;
        let before = if checked { counters(&mut connections).await? } else { Vec::new() };
        let warm_up = load::run(&mut connections, route, Until::Passed(options.warm_up())).await?;

        let redis = RedisCounts::of(&places.redis).await?;
        let (cpu, by_kernel) = (self.server.cpu().await?, self.server.cpu_by_kernel()?);
        let load = load::run(&mut connections, route, Until::Passed(options.cell())).await?;
        let cpu = self.server.cpu().await? - cpu;
        agree(cpu, self.server.cpu_by_kernel()? - by_kernel)?;
        let redis = Change::since(&redis, &RedisCounts::of(&places.redis).await?);

        if checked {
            let after = counters(&mut connections).await?;
            let answers = warm_up.answers.iter().zip(&load.answers).map(|(a, b)| a + b);
            let expected = before.iter().zip(answers).map(|(before, new)| before + new);
            if !after.iter().copied().eq(expected) {
                return Err("counters do not read back".into());
            }
        }
        Ok(self.cell(route, round, &load, cpu, redis))
    }

    /// Commands that are sent to Redis for one request.
    pub(crate) async fn probe(&self, route: Route, places: &Places) -> Result<f64, Failure> {
        const REQUESTS: usize = 50;
        let mut connections = self.connect().await?;
        let connection = &mut connections[0];
        let request = route.request(connection);
        let mut monitor = Monitor::of(&places.redis).await?;
        // Scripts and connections that are made at the first use.
        for _ in 0..REQUESTS {
            connection.ask(&request).await?.ok()?;
        }
        monitor.sent(&places.redis).await?;
        for _ in 0..REQUESTS {
            connection.ask(&request).await?.ok()?;
        }
        Ok(monitor.sent(&places.redis).await? as f64 / REQUESTS as f64)
    }

    fn cell(
        &self,
        route: Route,
        round: usize,
        load: &Load,
        cpu: std::time::Duration,
        redis: Change,
    ) -> Cell {
        let requests = load.requests() as f64;
        let on_redis = |total: u64| self.variant.asks_redis().then_some(total as f64 / requests);
        Cell {
            variant: self.variant.name,
            route: route.name(),
            round,
            requests: load.requests(),
            seconds: load.elapsed.as_secs_f64(),
            cpu_us: cpu.as_secs_f64() * 1e6 / requests,
            ratio: None,
            requests_per_second: requests / load.elapsed.as_secs_f64(),
            p50_us: load.latency(0.5),
            p99_us: load.latency(0.99),
            redis_executed: on_redis(redis.commands),
            redis_bytes_in: on_redis(redis.bytes_in),
            redis_bytes_out: on_redis(redis.bytes_out),
        }
    }
}

async fn counters(connections: &mut [Connection]) -> Result<Vec<u64>, Failure> {
    let mut counters = Vec::with_capacity(connections.len());
    for connection in connections {
        counters.push(connection.counter().await?);
    }
    Ok(counters)
}

/// The clock of the process and the kernel's count must tell the same story.
fn agree(own: std::time::Duration, by_kernel: std::time::Duration) -> Result<(), Failure> {
    // The kernel counts user and system time in ticks of 10 ms each.
    let tolerance = own.mul_f64(0.05) + std::time::Duration::from_millis(40);
    if own.abs_diff(by_kernel) <= tolerance {
        return Ok(());
    }
    Err(format!("{own:?} of CPU time by the process' clock, {by_kernel:?} by the kernel").into())
}

struct Change {
    commands: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl Change {
    fn since(before: &RedisCounts, after: &RedisCounts) -> Self {
        Self {
            commands: after.commands - before.commands,
            bytes_in: after.bytes_in - before.bytes_in,
            bytes_out: after.bytes_out - before.bytes_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::agree;

    #[test]
    fn clocks_that_differ_by_more_than_ticks_spoil_a_run() {
        let ms = Duration::from_millis;
        assert!(agree(ms(1_000), ms(1_080)).is_ok());
        assert!(agree(ms(1_000), ms(1_100)).is_err());
        assert!(agree(ms(1_000), ms(900)).is_err());
    }
}

//! What Redis says of itself, before and after.

use std::collections::BTreeMap;

use redis::aio::MultiplexedConnection;

use crate::variants::Failure;

pub(super) struct Server {
    connection: MultiplexedConnection,
}

/// Counts since the server was started.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    calls: BTreeMap<String, u64>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) cpu_seconds: f64,
    pub(super) used_memory: u64,
}

impl Server {
    pub(super) async fn at(url: &str) -> Result<Self, Failure> {
        let client = redis::Client::open(url)?;
        Ok(Self { connection: client.get_multiplexed_async_connection().await? })
    }

    pub(super) async fn counts(&mut self) -> Result<Counts, Failure> {
        let info: String = redis::cmd("INFO").arg("all").query_async(&mut self.connection).await?;
        let fields: BTreeMap<&str, &str> =
            info.lines().filter_map(|line| line.split_once(':')).collect();
        let number = |name: &str| -> Result<f64, Failure> {
            let text = fields.get(name).ok_or_else(|| format!("INFO has no {name}"))?;
            Ok(text.trim().parse()?)
        };
        let calls = fields.iter().filter_map(|(name, statistics)| {
            let name = name.strip_prefix("cmdstat_")?;
            let calls = statistics.strip_prefix("calls=")?.split(',').next()?;
            Some((name.to_owned(), calls.parse().ok()?))
        });
        Ok(Counts {
            calls: calls.collect(),
            bytes_in: number("total_net_input_bytes")? as u64,
            bytes_out: number("total_net_output_bytes")? as u64,
            cpu_seconds: number("used_cpu_user")? + number("used_cpu_sys")?,
            used_memory: number("used_memory")? as u64,
        })
    }
}

impl Counts {
    pub(super) fn calls(&self, name: &str) -> u64 {
        self.calls.get(name).copied().unwrap_or(0)
    }

    pub(super) fn all_calls(&self) -> u64 {
        self.calls.values().sum()
    }
}

/// Resident memory of this process, in bytes (`proc_pid_status(5)`).
pub(super) fn resident_bytes() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kilobytes.ok_or("no resident memory")?.parse::<u64>()? * 1_024)
}

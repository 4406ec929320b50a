//! Where and with what a run was made.

use std::process::Command;

use serde::Serialize;

use crate::Failure;
use crate::places::Places;

#[derive(Debug, Serialize)]
pub(crate) struct Environment {
    command: String,
    date: String,
    commit: String,
    machine: String,
    rustc: String,
    redis: String,
    postgres: String,
    /// Of what else happened on the machine: processes that wanted to run, over a minute.
    load_before: String,
    load_after: String,
    crates: Vec<(String, String)>,
}

impl Environment {
    pub(crate) async fn look(command: &str, places: &Places) -> Result<Self, Failure> {
        let redis = places.redis.info("server").await;
        Ok(Self {
            command: command.to_owned(),
            date: said(&["date", "-u", "+%Y-%m-%d %H:%M UTC"]),
            commit: said(&["git", "describe", "--always", "--dirty", "--exclude=*"]),
            machine: machine()?,
            rustc: said(&["rustc", "--version"]),
            redis: redis.get("redis_version").cloned().unwrap_or_default(),
            postgres: places.postgres.query("show server_version").await.trim().to_owned(),
            load_before: load()?,
            load_after: String::new(),
            crates: crates(include_str!("../../Cargo.lock")),
        })
    }

    /// Looks at the load once more.
    pub(crate) fn ends(&mut self) {
        self.load_after = load().unwrap_or_default();
    }

    pub(crate) fn markdown(&self) -> String {
        let crates = self.crates.iter().map(|(name, version)| format!("{name} {version}"));
        format!(
            "- `{}`, {}, at commit {}\n- {}; {}\n- Redis {}, PostgreSQL {}\n- load average when it \
             began {}, when it ended {} (a saturated run by itself makes 3 to 5)\n- {}\n",
            self.command,
            self.date,
            self.commit,
            self.machine,
            self.rustc,
            self.redis,
            self.postgres,
            self.load_before,
            self.load_after,
            crates.collect::<Vec<_>>().join(", "),
        )
    }
}

fn said(command: &[&str]) -> String {
    let output = Command::new(command[0]).args(&command[1..]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| "unknown".to_owned())
}

fn machine() -> Result<String, Failure> {
    let info = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown CPU", |(_, model)| model);
    let cores = std::thread::available_parallelism()?;
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let kilobytes = memory.split_whitespace().nth(1).unwrap_or_default().parse::<u64>()?;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let gigabytes = kilobytes >> 20;
    Ok(format!("{cores} cores of {model}, {gigabytes} GiB, Linux {}", kernel.trim()))
}

fn load() -> Result<String, Failure> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').next().unwrap_or_default().to_owned())
}

/// The versions of what is compared, and of what all have in common.
fn crates(lockfile: &str) -> Vec<(String, String)> {
    let quoted = |line: &str, key: &str| {
        let value = line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')?;
        Some(value.to_owned())
    };
    let lines = lockfile.lines().zip(lockfile.lines().skip(1));
    let packages = lines
        .filter_map(|(name, version)| Some((quoted(name, "name")?, quoted(version, "version")?)));
    packages.filter(|(name, _)| CRATES.contains(&name.as_str())).collect()
}

const CRATES: [&str; 19] = [
    "actix-session",
    "actix-web",
    "axum",
    "axum_session",
    "axum_session_redispool",
    "fred",
    "hyper",
    "libsqlite3-sys",
    "moka",
    "redis",
    "redis_pool",
    "session-core",
    "sqlx",
    "tokio",
    "tower-sessions",
    "tower-sessions-memory-store",
    "tower-sessions-moka-store",
    "tower-sessions-redis-store",
    "tower-sessions-sqlx-store",
];

#[cfg(test)]
mod tests {
    use super::{CRATES, crates};

    #[test]
    fn every_crate_is_in_the_lockfile() {
        let found = crates(include_str!("../../Cargo.lock"));
        for name in CRATES {
            assert!(found.iter().any(|(found, _)| found == name), "{name}");
        }
    }
}

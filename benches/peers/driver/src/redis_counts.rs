//! What a variant asks of Redis, as Redis counts it.

use session_testkit::servers::Redis;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::Failure;

/// Since the server was started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RedisCounts {
    /// Executed, those within scripts and those of questions like this one too.
    pub(crate) commands: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

impl RedisCounts {
    pub(crate) async fn of(redis: &Redis) -> Result<Self, Failure> {
        let stats = redis.info("stats").await;
        let number = |name: &str| -> Result<u64, Failure> {
            Ok(stats.get(name).ok_or_else(|| format!("INFO has no {name}"))?.trim().parse()?)
        };
        Ok(Self {
            commands: number("total_commands_processed")?,
            bytes_in: number("total_net_input_bytes")?,
            bytes_out: number("total_net_output_bytes")?,
        })
    }
}

/// Memory in use, and the number of keys.
pub(crate) async fn memory(redis: &Redis) -> Result<(u64, u64), Failure> {
    let memory = redis.info("memory").await;
    let used = memory.get("used_memory").ok_or("INFO has no used_memory")?.trim().parse()?;
    Ok((used, redis.query(&["DBSIZE"]).await?))
}

/// Lists commands as they arrive (`MONITOR`).
pub(crate) struct Monitor {
    stream: BufReader<TcpStream>,
}

impl Monitor {
    pub(crate) async fn of(redis: &Redis) -> Result<Self, Failure> {
        let mut stream = BufReader::new(TcpStream::connect(redis.address()).await?);
        stream.write_all(b"MONITOR\r\n").await?;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if line.trim_end() == "+OK" { Ok(Self { stream }) } else { Err(line.into()) }
    }

    /// How many commands clients have sent since the last time: not those within scripts, and not
    /// the fixture's own, which come by another way.
    pub(crate) async fn sent(&mut self, redis: &Redis) -> Result<u64, Failure> {
        let mark = "end-of-probe";
        redis.command(&["ECHO", mark]).await;
        let (mut count, mut line) = (0, String::new());
        loop {
            line.clear();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err("Redis has ended".into());
            }
            if line.contains(mark) {
                return Ok(count);
            }
            count += u64::from(is_clients(&line));
        }
    }
}

/// `+1700000000.000000 [0 127.0.0.1:50000] "GET" "key"`; within a script it is `[0 lua]`, over the
/// fixture's socket `[0 unix:...]`.
fn is_clients(line: &str) -> bool {
    let source = line.split_once("[0 ").map_or("", |(_, rest)| rest);
    source.starts_with("127.0.0.1:")
}

#[cfg(test)]
mod tests {
    use super::is_clients;

    #[test]
    fn what_scripts_and_the_fixture_do_is_not_counted() {
        assert!(is_clients(r#"+1.2 [0 127.0.0.1:5] "GET" "unix: lua""#));
        assert!(!is_clients(r#"+1.2 [0 lua] "GET" "127.0.0.1:5""#));
        assert!(!is_clients(r#"+1.2 [0 unix:/tmp/admin.sock] "INFO""#));
    }
}

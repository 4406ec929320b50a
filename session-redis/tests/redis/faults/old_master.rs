//! What a server executes that is master no longer, and a client that would not notice.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};
use session_testkit::servers::Redis;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinHandle};

use super::patience::{for_ms, ms};

/// Everything a server executes from now on (`MONITOR`), with the time at which it did, in
/// milliseconds of its clock.
pub(super) struct Monitor {
    lines: Arc<Mutex<Vec<(i64, String)>>>,
    reader: AbortHandle,
}

impl Monitor {
    pub(super) async fn start(redis: &Redis) -> Self {
        let mut stream = TcpStream::connect(redis.address()).await.unwrap();
        stream.write_all(b"MONITOR\r\n").await.unwrap();
        let mut replies = BufReader::new(stream).lines();
        assert_eq!(replies.next_line().await.unwrap().unwrap(), "+OK");
        let lines = Arc::<Mutex<Vec<_>>>::default();
        let seen = Arc::clone(&lines);
        let reader = tokio::spawn(async move {
            while let Ok(Some(line)) = replies.next_line().await {
                if let Some(executed) = parse(&line) {
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push(executed);
                }
            }
        });
        Self { lines, reader: reader.abort_handle() }
    }

    /// The scripts that were executed from that time of its clock on, which is how sessions are
    /// written.
    pub(super) fn writes(&self, since: i64) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let scripts = lines.iter().filter(|(_, line)| line.starts_with(r#""EVAL"#));
        scripts.filter(|(time, _)| *time >= since).map(|(_, line)| line.clone()).collect()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Reads `+1339518083.107412 [0 127.0.0.1:60866] "command" …`.
fn parse(line: &str) -> Option<(i64, String)> {
    let (time, rest) = line.strip_prefix('+')?.split_once(" [")?;
    let (seconds, micros) = time.split_once('.')?;
    let time = seconds.parse::<i64>().ok()? * 1_000 + micros.parse::<i64>().ok()? / 1_000;
    Some((time, rest.split_once("] ")?.1.to_owned()))
}

/// Writes to one address all the time, and connects to it again when the connection is lost, as
/// a driver does that is given an address.
pub(super) struct Plain {
    /// When each write was acknowledged, if it was.
    acknowledged: Arc<Mutex<Vec<Option<Instant>>>>,
    writer: JoinHandle<()>,
}

impl Plain {
    pub(super) fn start(redis: &Redis) -> Self {
        let acknowledged = Arc::<Mutex<Vec<_>>>::default();
        let (url, seen) = (redis.url(), Arc::clone(&acknowledged));
        let writer = tokio::spawn(async move {
            let mut connection = None;
            for number in 0_u64.. {
                if connection.is_none() {
                    connection = connect(&url).await;
                }
                if let Some(open) = &mut connection {
                    let mut command = redis::cmd("SET");
                    command.arg(key(number)).arg(number);
                    match command.query_async::<()>(open).await {
                        Ok(()) => {
                            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                            seen.resize(number as usize, None);
                            seen.push(Some(Instant::now()));
                        }
                        Err(error) if error.is_io_error() => connection = None,
                        Err(_) => {}
                    }
                }
                for_ms(5).await;
            }
        });
        Self { acknowledged, writer }
    }

    /// How many of the writes that were acknowledged after `since` are not on `server`; and how
    /// many there are.
    pub(super) async fn lost(self, since: Instant, server: &Redis) -> (usize, usize) {
        self.writer.abort();
        let acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut connection = server.connection().await;
        let (mut lost, mut all) = (0, 0);
        for (number, time) in acknowledged.iter().enumerate() {
            if time.is_none_or(|time| time < since) {
                continue;
            }
            let mut command = redis::cmd("EXISTS");
            let there: bool =
                command.arg(key(number as u64)).query_async(&mut connection).await.unwrap();
            all += 1;
            lost += usize::from(!there);
        }
        (lost, all)
    }
}

async fn connect(url: &str) -> Option<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ms(500)))
        .set_response_timeout(Some(ms(500)));
    let client = Client::open(url).unwrap();
    client.get_multiplexed_async_connection_with_config(&config).await.ok()
}

fn key(number: u64) -> String {
    format!("plain:{number}")
}

//! The gateway as a process, which ends with the test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::client::Client;
use crate::patience::DEADLINE;

pub(crate) struct Gateway {
    process: Child,
    address: SocketAddr,
    /// Kept, since a process that writes where nobody reads is killed for it.
    _output: Lines<BufReader<ChildStdout>>,
    _config: ConfigFile,
}

impl Gateway {
    /// Starts it, and waits until it says that it is ready.
    pub(crate) async fn start_at(listen: &str, config: &str, environment: &[(&str, &str)]) -> Self {
        let config = ConfigFile::new(config);
        let mut command = command(&["--config", config.path(), "--listen", listen]);
        command.envs(environment.iter().copied());
        let command = command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut process = command.spawn().expect("the gateway starts");
        let output = process.stdout.take().expect("its output is captured");
        let mut output = BufReader::new(output).lines();
        let line = timeout(DEADLINE, output.next_line()).await.expect("it is ready in time");
        let line = line.expect("text").expect("a line when it is ready");
        let address = line.strip_prefix("listening on http://").map(str::parse);
        let Some(Ok(address)) = address else { panic!("the gateway says {line:?}") };
        Self { process, address, _output: output, _config: config }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(format!("http://{}", self.address))
    }

    /// Asks it to stop, as a supervisor does, and returns how it ended.
    pub(crate) async fn stopped(mut self) -> ExitStatus {
        let id = self.process.id().expect("a process that runs").to_string();
        let sent = Command::new("kill").args(["-s", "TERM", &id]).status().await;
        assert!(sent.expect("a `kill` command").success(), "the process takes the signal");
        let ended = timeout(DEADLINE, self.process.wait()).await;
        ended.expect("the gateway ends in time").expect("an exit status")
    }
}

/// Runs it to its end.
pub(crate) async fn run(arguments: &[&str]) -> Output {
    let run = command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    timeout(DEADLINE, run).await.expect("it ends in time").expect("it starts")
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// A file that goes with the test.
pub(crate) struct ConfigFile(PathBuf);

impl ConfigFile {
    pub(crate) fn new(text: &str) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("gateway-{}-{number}.toml", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, text).expect("a file for the test");
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }
}

impl Drop for ConfigFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

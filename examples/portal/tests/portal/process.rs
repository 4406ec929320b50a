//! The portal as a process, which ends with the test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::client::Client;
use crate::frameworks::Framework;

/// Much longer than anything takes that works.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Portal {
    process: Child,
    address: SocketAddr,
    /// Kept, since a process that writes where nobody reads is killed for it.
    output: Lines<BufReader<ChildStdout>>,
}

impl Portal {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_on(framework: Framework) -> Self {
        Self::start_on_with(framework, &[]).await
    }

    pub(crate) async fn start_on_with(framework: Framework, arguments: &[&str]) -> Self {
        Self::start_with(&[&["--framework", framework.name()], arguments].concat()).await
    }

    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        Self::spawn(command(arguments).args(["--listen", "127.0.0.1:0"])).await
    }

    /// Starts it and waits until it says that it is ready.
    pub(crate) async fn spawn(command: &mut Command) -> Self {
        let launched = Self::launch(command.stderr(Stdio::inherit())).await;
        launched.expect("a line when it is ready")
    }

    /// As [`spawn`](Self::spawn), for a portal that has a lot to say, or too much.
    pub(crate) async fn spawn_logging(command: &mut Command, log: &Path) -> Self {
        let file = std::fs::File::create(log).expect("a file for the log");
        let launched = Self::launch(command.stderr(file)).await;
        launched.unwrap_or_else(|| panic!("{}", std::fs::read_to_string(log).unwrap_or_default()))
    }

    /// `None` if it ends instead, having said why on standard error.
    async fn launch(command: &mut Command) -> Option<Self> {
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the portal starts");
        let output = process.stdout.take().expect("its output is captured");
        let mut output = BufReader::new(output).lines();
        let line =
            timeout(DEADLINE, output.next_line()).await.expect("the portal is ready in time");
        let line = line.expect("text")?;
        let address = line.strip_prefix("listening on http://").map(str::parse);
        let Some(Ok(address)) = address else { panic!("the portal says {line:?}") };
        Some(Self { process, address, output })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.url())
    }

    pub(crate) async fn signed_in(&self, user: &str) -> Client {
        let mut client = self.client();
        client.log_in(user).await;
        client
    }

    /// Sends a signal, as a supervisor or a terminal does.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.process.id().expect("a process that runs").to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await;
        assert!(sent.expect("a `kill` command").success(), "the process takes the signal");
    }

    pub(crate) async fn ended(mut self) -> ExitStatus {
        let ended = timeout(DEADLINE, self.process.wait()).await;
        ended.expect("the portal ends in time").expect("an exit status")
    }

    /// Tells it to stop, and returns how it ended and what it has written besides its address.
    pub(crate) async fn stopped(mut self) -> (ExitStatus, String) {
        self.signal("TERM").await;
        let mut written = String::new();
        while let Some(line) =
            timeout(DEADLINE, self.output.next_line()).await.expect("an end in time").expect("text")
        {
            written.push_str(&line);
        }
        (self.ended().await, written)
    }
}

/// Runs the portal to its end.
pub(crate) async fn run(arguments: &[&str]) -> Output {
    let run = command(arguments).stdout(Stdio::piped()).output();
    timeout(DEADLINE, run).await.expect("the portal ends in time").expect("the portal starts")
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portal"));
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// A directory that goes with the test.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("portal-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).expect("a directory for the test");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file for the test");
        path.into_os_string().into_string().expect("a path in UTF-8")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

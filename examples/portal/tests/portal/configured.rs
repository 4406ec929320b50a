//! A portal with a configuration of the test, and how to tell whether it can work.

use std::path::PathBuf;

use serde_json::json;
use tokio::time::Duration;

use crate::client::{Answer, Client};
use crate::frameworks::Framework;
use crate::patience::{until, until_within};
use crate::process::{Directory, Portal, command};

/// No server is taken for dead, however busy the machine is.
pub(crate) const UNDISTURBED: Duration = Duration::from_secs(30);

/// How soon all is well once a fault is over.
pub(crate) const RECOVERY: Duration = Duration::from_secs(2);

/// A portal whose configuration and log are files of the test.
pub(crate) struct Configured {
    pub(crate) portal: Portal,
    pub(crate) log: Log,
    directory: Directory,
}

impl Configured {
    pub(crate) async fn start(config: &str) -> Self {
        Self::start_with(config, &[]).await
    }

    pub(crate) async fn start_with(config: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_on(Framework::Axum, config, environment).await
    }

    pub(crate) async fn start_on(
        framework: Framework,
        config: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let directory = Directory::new();
        let file = directory.write(FILE, config);
        let log = Log(directory.path().join("log"));
        let arguments = ["--config", &file, "--listen", "127.0.0.1:0", "--debug-headers"];
        let mut command = command(&arguments);
        command.args(["--framework", framework.name()]).envs(environment.iter().copied());
        let portal = Portal::spawn_logging(&mut command, &log.0).await;
        Self { portal, log, directory }
    }

    /// Changes the configuration, which the portal reads again when it is told to.
    pub(crate) fn write(&self, config: &str) {
        self.directory.write(FILE, config);
    }
}

const FILE: &str = "session.toml";

/// What a portal writes to standard error.
pub(crate) struct Log(PathBuf);

impl Log {
    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap_or_default()
    }
}

/// It belongs to the story of a test that fails.
impl Drop for Log {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = self.text();
            let lines: Vec<&str> = text.lines().collect();
            eprintln!(
                "the end of its log:\n{}",
                lines[lines.len().saturating_sub(40)..].join("\n")
            );
        }
    }
}

/// Nobody can tell, for now; nobody is signed out by that.
#[track_caller]
pub(crate) fn expect_outage(answer: Answer) -> Answer {
    let answer = answer.expect_error(503, "store_unavailable").expect_no_cookie();
    assert_eq!(answer.header("retry-after"), "1", "{answer}");
    answer
}

/// Returns how long that took.
pub(crate) async fn until_ready(portal: &Portal, limit: Duration) -> Duration {
    let mut client = portal.client();
    until_within(limit, "the portal is ready", async || {
        let answer = client.get("/readyz").await;
        answer.status == 200 || expect_outage(answer).status == 200
    })
    .await
}

/// Signs in, which a replica that has to wait for a processor may hold up.
pub(crate) async fn until_signed_in(client: &mut Client) {
    let credentials = json!({ "user": "u1001", "password": "demo" });
    until("somebody can sign in", async || {
        client.post_json("/api/login", &credentials).await.status == 200
    })
    .await;
}

/// Signs out as soon as that is possible again, and returns how long that took.
pub(crate) async fn until_signed_out(client: &mut Client, limit: Duration) -> Duration {
    until_within(limit, "somebody can sign out", async || {
        let answer = client.post("/api/logout").await;
        answer.status == 204 || expect_outage(answer).status == 204
    })
    .await
}

//! The portal on Redis: processes of the portal in front of servers that are real, and fail.

mod down_at_start;
mod killed;
mod paused;
mod refusals;
mod samples;
mod script;
mod two_processes;
mod wrong_login;

mod load;

use std::path::PathBuf;

use serde_json::json;
use session_testkit::servers::Redis;
use tokio::time::Duration;

use crate::client::{Answer, Client};
use crate::patience::{until, until_within};
use crate::process::{Directory, Portal, command};

/// How soon all is well once a fault is over.
const RECOVERY: Duration = Duration::from_secs(2);

/// A portal whose configuration and log are files of the test.
struct Configured {
    portal: Portal,
    log: Log,
    _directory: Directory,
}

impl Configured {
    async fn start(config: &str) -> Self {
        Self::start_with(config, &[]).await
    }

    async fn start_with(config: &str, environment: &[(&str, &str)]) -> Self {
        let directory = Directory::new();
        let file = directory.write("session.toml", config);
        let log = Log(directory.path().join("log"));
        let mut command = command(&["--config", &file, "--listen", "127.0.0.1:0"]);
        command.envs(environment.iter().copied());
        let portal = Portal::spawn_logging(&mut command, &log.0).await;
        Self { portal, log, _directory: directory }
    }
}

/// What a portal writes to standard error.
struct Log(PathBuf);

impl Log {
    fn text(&self) -> String {
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

/// The configuration with its store at a place, such as `url = "…"`.
fn config_at(place: &str) -> String {
    format!(
        r#"
[session]
store = "main"
cookie = {{ name = "id", secure = false }}
[stores.main]
kind = "redis"
{place}
namespace = "portal"
timeout = "500ms"
"#
    )
}

fn config_for(redis: &Redis) -> String {
    config_at(&format!("url = {:?}", redis.url()))
}

/// Nobody can tell, for now; nobody is signed out by that.
#[track_caller]
fn expect_outage(answer: Answer) -> Answer {
    let answer = answer.expect_error(503, "store_unavailable").expect_no_cookie();
    assert_eq!(answer.header("retry-after"), "1", "{answer}");
    answer
}

/// Returns how long that took.
async fn until_ready(portal: &Portal, limit: Duration) -> Duration {
    let mut client = portal.client();
    until_within(limit, "the portal is ready", async || {
        let answer = client.get("/readyz").await;
        answer.status == 200 || expect_outage(answer).status == 200
    })
    .await
}

/// Signs in, which a replica that has to wait for a processor may hold up.
async fn until_signed_in(client: &mut Client) {
    let credentials = json!({ "user": "u1001", "password": "demo" });
    until("somebody can sign in", async || {
        client.post_json("/api/login", &credentials).await.status == 200
    })
    .await;
}

/// Signs out as soon as that is possible again, and returns how long that took.
async fn until_signed_out(client: &mut Client, limit: Duration) -> Duration {
    until_within(limit, "somebody can sign out", async || {
        let answer = client.post("/api/logout").await;
        answer.status == 204 || expect_outage(answer).status == 204
    })
    .await
}

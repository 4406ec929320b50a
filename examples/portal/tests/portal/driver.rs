//! Headless Chromium, driven through chromedriver.

use std::process::Stdio;

use fantoccini::ClientBuilder;
use fantoccini::wd::Capabilities;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Duration, timeout};

use crate::client::Client;
use crate::process::Directory;

/// A running chromedriver, on a port of its own.
pub(crate) struct Driver {
    url: String,
    directory: Directory,
    profiles: usize,
    process: Child,
    _output: Lines<BufReader<ChildStdout>>,
}

impl Driver {
    pub(crate) async fn start() -> Self {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{MISSING}: chromedriver does not start: {error}"));
        let output = process.stdout.take().expect("its output is captured");
        let mut output = BufReader::new(output).lines();
        let port = timeout(STARTED, async {
            while let Some(line) = output.next_line().await.expect("text") {
                if let Some((_, port)) = line.rsplit_once("started successfully on port ") {
                    return port.trim_end_matches('.').to_owned();
                }
            }
            panic!("{MISSING}: chromedriver ended without listening");
        });
        let port = port.await.expect("chromedriver listens in time");
        let url = format!("http://127.0.0.1:{port}");
        let directory = Directory::new();
        Self { url, directory, profiles: 0, process, _output: output }
    }

    /// A browser that shares nothing with any other.
    pub(crate) async fn browser(&mut self) -> Browser {
        self.profiles += 1;
        let profile = self.directory.path().join(format!("profile-{}", self.profiles));
        let profile = format!("--user-data-dir={}", profile.display());
        let arguments: Vec<&str> = ARGUMENTS.iter().copied().chain([&*profile]).collect();
        let capabilities = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let capabilities: Capabilities =
            serde_json::from_value(capabilities).expect("a JSON object");
        let connecting = async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(capabilities).connect(&self.url).await
        };
        let connected = timeout(STARTED, connecting).await.expect("Chromium starts in time");
        let client =
            connected.unwrap_or_else(|error| panic!("{MISSING}: Chromium does not start: {error}"));
        Browser { client, driver: Client::new(self.url.clone()) }
    }
}

/// A chromedriver that is merely killed leaves its browsers behind, so their whole group goes.
impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(group) = self.process.id() {
            let group = format!("-{group}");
            let _ = std::process::Command::new("kill").args(["-s", "KILL", "--", &group]).status();
        }
    }
}

/// A window of Chromium.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) client: fantoccini::Client,
    driver: Client,
}

impl Browser {
    /// What the console of the browser has collected since it was asked last.
    pub(crate) async fn console(&mut self) -> Vec<Value> {
        let session = self.client.session_id().await.expect("a session").expect("its id");
        let path = format!("/session/{session}/se/log");
        let log = self.driver.post_json(&path, &json!({ "type": "browser" })).await;
        log.expect(200).json()["value"].as_array().expect("a list").clone()
    }

    pub(crate) async fn close(self) {
        self.client.close().await.expect("Chromium ends");
    }
}

/// A browser that was installed just now is read from disk first, and there may be several.
const STARTED: Duration = Duration::from_secs(180);

const MISSING: &str = "this test needs Chromium and chromedriver on PATH (on Debian: \
     apt-get install chromium chromium-driver; `cargo xtask test` does so by itself)";

/// No display, nothing that asks the network by itself, and no sandbox: in a container root has
/// none, and all that is opened here is the portal.
const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

//! Two instances of a service on one Redis, and a client. For the examples whose page is at `/`,
//! behind `/log-in` and `/log-out`.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use session_testkit::servers::Redis;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// For how long the layered store may serve what was before, unless told otherwise.
const STALENESS: Duration = Duration::from_secs(2);
/// What a busy machine may add to that.
const SLACK: Duration = Duration::from_secs(1);
/// Much longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(30);

/// Logs in on one instance, is known to the other, and logs out for both. Then the server is lost,
/// and nobody is told to log in for that.
///
/// `refused` is the answer to those who ask for the page and are not logged in.
pub(crate) async fn is_shared(program: &str, refused: u16) {
    let redis = Redis::start().await;
    let [mut a, mut b] =
        [Instance::start(program, &redis).await, Instance::start(program, &redis).await];

    let mut client = Client::default();
    assert_eq!(client.get(&a).await.status, refused);
    assert_eq!(client.post(&a, "/log-in", "user=ada&password=wrong").await.status, 401);
    assert_eq!(client.get(&a).await.status, refused);

    client.log_in(&a).await;
    for instance in [&a, &b, &b] {
        let page = client.get(instance).await;
        assert!(page.status == 200 && page.text.contains("ada"), "{}", page.text);
    }

    let copy = client.clone();
    assert_eq!(client.post(&a, "/log-out", "").await.status, 303);
    assert_eq!(client.cookie, None, "the cookie is taken back");
    let acknowledged = Instant::now();
    assert_eq!(copy.get(&a).await.status, refused);
    loop {
        let asked = acknowledged.elapsed();
        match copy.get(&b).await.status {
            200 => assert!(asked <= STALENESS + SLACK, "served {asked:?} after the log-out"),
            status => break assert_eq!(status, refused),
        }
    }

    client.log_in(&b).await;
    redis.kill();
    for instance in [&mut a, &mut b] {
        let lost = Instant::now();
        loop {
            match client.get(instance).await.status {
                // A cache answers until its lease is over.
                200 => assert!(lost.elapsed() < PATIENCE, "served without a server"),
                status => break assert_eq!(status, 500),
            }
        }
        assert!(instance.process.try_wait().expect("a status").is_none(), "it still runs");
    }
}

pub(crate) struct Instance {
    address: SocketAddr,
    /// Ends with this.
    pub(crate) process: Child,
}

impl Instance {
    pub(crate) async fn start(program: &str, redis: &Redis) -> Self {
        let mut process = Command::new(program)
            .arg("127.0.0.1:0")
            .env("REDIS_URL", redis.url())
            .env("SESSION_KEY", "0123456789abcdef".repeat(4))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let mut output = BufReader::new(process.stdout.take().expect("its output")).lines();
        let line = timeout(PATIENCE, output.next_line()).await.expect("a line in time");
        let line = line.expect("text").expect("a line when it is ready");
        let address = line.strip_prefix("listening on http://").expect("where it listens");
        Self { address: address.parse().expect("an address"), process }
    }
}

#[derive(Clone, Default)]
pub(crate) struct Client {
    cookie: Option<String>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    text: String,
}

impl Client {
    pub(crate) async fn log_in(&mut self, instance: &Instance) {
        assert_eq!(self.post(instance, "/log-in", "user=ada&password=demo").await.status, 303);
        assert!(self.cookie.is_some(), "a cookie is set");
    }

    /// The page.
    pub(crate) async fn get(&self, instance: &Instance) -> Answer {
        self.clone().send(instance, "GET / HTTP/1.1", "").await
    }

    async fn post(&mut self, instance: &Instance, path: &str, form: &str) -> Answer {
        self.send(instance, &format!("POST {path} HTTP/1.1"), form).await
    }

    /// Sends a request on a connection of its own, and keeps the cookie that the response sets.
    async fn send(&mut self, instance: &Instance, line: &str, form: &str) -> Answer {
        let cookie = self.cookie.as_deref().unwrap_or_default();
        let length = form.len();
        let request = format!(
            "{line}\r\nhost: localhost\r\nconnection: close\r\ncookie: {cookie}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{form}"
        );
        let mut stream = TcpStream::connect(instance.address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut text = String::new();
        let answer = timeout(PATIENCE, stream.read_to_string(&mut text)).await;
        answer.expect("an answer in time").expect("an answer");

        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        let head = text.split("\r\n\r\n").next().unwrap_or_default();
        let pair =
            |line: &str| Some(line.strip_prefix("set-cookie: ")?.split(';').next()?.to_owned());
        if let Some(pair) = head.lines().find_map(pair) {
            self.cookie = (!pair.ends_with('=')).then_some(pair);
        }
        Answer { status: status.expect("a status"), text }
    }
}

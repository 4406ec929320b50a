//! How a Redis server is configured and started.

use std::path::Path;
use std::{fmt, fs, io};

use session_core::{OsEntropy, Token};

use super::account::Account;
use super::certificates::{Certificates, SERVER_CERT, SERVER_KEY};
use super::port::Port;
use super::program::Program;
use super::redis::{Redis, USER, admin_socket};
use super::server::{self, Server};

/// Says how a [`Redis`] is to be configured, and starts it.
///
/// ```no_run
/// # async fn example() {
/// use session_testkit::servers::Redis;
///
/// let redis = Redis::builder()
///     .config("maxmemory", "16mb")
///     .config("maxmemory-policy", "noeviction")
///     .acl("user app on >secret ~app:* &app:* +@all")
///     .start()
///     .await;
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct RedisBuilder {
    lines: Vec<String>,
    tls: bool,
    clustered: bool,
    sentinel: bool,
}

impl RedisBuilder {
    /// Adds a line to the configuration file. Later ones prevail, over the fixture's own as well.
    ///
    /// The value is put there as it is, several words included; an empty one is `""`.
    #[must_use]
    pub fn config(mut self, directive: &str, value: impl fmt::Display) -> Self {
        self.lines.push(format!("{directive} {value}"));
        self
    }

    /// Adds a user: a line of an ACL file, beginning with `user`.
    #[must_use]
    pub fn acl(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Listens for TLS alone, and asks clients for a certificate. Tests find those to use in
    /// [`Redis::certificates`].
    ///
    /// With `.config("tls-auth-clients", "no")`, clients need none.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Starts the server, and returns when it answers.
    ///
    /// # Panics
    ///
    /// If the program is missing, refuses its configuration, or does not answer within 20
    /// seconds. The message tells what it has logged.
    pub async fn start(self) -> Redis {
        let redis = self.launch();
        self.settle(redis).await
    }

    /// As one node of a cluster.
    pub(super) fn clustered(mut self) -> Self {
        self.clustered = true;
        self
    }

    /// As a sentinel.
    pub(super) fn sentinel(mut self) -> Self {
        self.sentinel = true;
        self
    }

    /// Starts several servers at once.
    pub(super) async fn start_many(&self, count: usize) -> Vec<Redis> {
        let launched: Vec<Redis> = (0..count).map(|_| self.launch()).collect();
        let mut started = Vec::with_capacity(count);
        for redis in launched {
            started.push(self.settle(redis).await);
        }
        started
    }

    /// Starts the server, and returns at once.
    fn launch(&self) -> Redis {
        self.try_launch().unwrap_or_else(|error| panic!("starting redis-server: {error}"))
    }

    async fn settle(&self, redis: Redis) -> Redis {
        server::settle(redis, async || self.launch()).await
    }

    fn try_launch(&self) -> io::Result<Redis> {
        let mut arguments = vec![CONFIG_FILE.to_owned()];
        if self.sentinel {
            arguments.push("--sentinel".to_owned());
        }
        let program = Program::find("redis-server", "redis-server");
        let token = Token::random(&OsEntropy).map_err(io::Error::other)?;
        let redis = Redis {
            server: Server::new("Redis", program, arguments)?,
            bus: if self.clustered { Some(Port::reserve()?) } else { None },
            password: token.to_text(),
            certificates: self.tls.then(Certificates::generate),
        };
        self.write_files(&redis)?;
        redis.server.process.start()?;
        Ok(redis)
    }

    fn write_files(&self, redis: &Redis) -> io::Result<()> {
        let folder = redis.server.process.folder();
        let mut lines = vec![
            "bind 127.0.0.1".to_owned(),
            "protected-mode no".to_owned(),
            "daemonize no".to_owned(),
            format!("dir \"{}\"", folder.display()),
            format!("logfile \"{}\"", redis.server.process.log_file().display()),
            format!("unixsocket \"{}\"", admin_socket(folder).display()),
            "unixsocketperm 700".to_owned(),
            format!("user {USER} on >{} ~* &* +@all", redis.password),
            "enable-debug-command yes".to_owned(),
            "save \"\"".to_owned(),
            "appendonly no".to_owned(),
            // What is waited for is over sooner.
            "repl-diskless-sync-delay 0".to_owned(),
            "repl-ping-replica-period 1".to_owned(),
        ];
        match &redis.certificates {
            None => lines.push(format!("port {}", redis.port())),
            Some(certificates) => lines.extend(tls_lines(folder, redis.port(), certificates)?),
        }
        if let Some(bus) = redis.bus_port() {
            lines.extend(["cluster-enabled yes".to_owned(), format!("cluster-port {bus}")]);
        }
        lines.extend_from_slice(&self.lines);
        fs::write(folder.join(CONFIG_FILE), lines.join("\n") + "\n")
    }
}

const CONFIG_FILE: &str = "redis.conf";
const CA_CERT: &str = "ca.pem";

fn tls_lines(folder: &Path, port: u16, certificates: &Certificates) -> io::Result<Vec<String>> {
    certificates.write_server(Account::Own, folder)?;
    fs::write(folder.join(CA_CERT), &certificates.ca)?;
    let file = |name: &str| folder.join(name).display().to_string();
    Ok(vec![
        "port 0".to_owned(),
        format!("tls-port {port}"),
        "tls-auth-clients yes".to_owned(),
        format!("tls-ca-cert-file \"{}\"", file(CA_CERT)),
        format!("tls-cert-file \"{}\"", file(SERVER_CERT)),
        format!("tls-key-file \"{}\"", file(SERVER_KEY)),
    ])
}

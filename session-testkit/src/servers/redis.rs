//! One Redis server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, FromRedisValue, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisResult, Value,
};

use super::builder::RedisBuilder;
use super::certificates::Certificates;
use super::port::Port;
use super::server::{Fixture, POLL, RESPONSE, Report, Server, controls};

/// The fixture's own user.
pub(super) const USER: &str = "session-testkit";

/// A Redis server in a temporary folder, which ends when this is dropped.
///
/// Unless told otherwise it persists nothing, asks for no password, and allows `DEBUG`. Commands
/// of the fixture itself go over a Unix socket as a user of its own, so they work whatever the
/// test makes of ports, TLS, passwords and ACLs; they count in the server's statistics.
///
/// ```no_run
/// # async fn example() {
/// use session_testkit::servers::Redis;
///
/// let redis = Redis::start().await;
/// let client = redis::Client::open(redis.url()).unwrap();
/// redis.pause();
/// // What does the client do now?
/// redis.resume();
/// # }
/// ```
pub struct Redis {
    pub(super) server: Server,
    pub(super) bus: Option<Port>,
    /// Of the fixture's own user.
    pub(super) password: String,
    pub(super) certificates: Option<Certificates>,
}

impl Redis {
    /// Starts a server, and returns when it answers.
    ///
    /// # Panics
    ///
    /// As [`RedisBuilder::start`].
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A server with a configuration of one's own.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    /// `redis://127.0.0.1:PORT/`, or `rediss:` with [TLS](RedisBuilder::tls).
    pub fn url(&self) -> String {
        let scheme = if self.certificates.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://{}/", self.address())
    }

    /// What is needed to talk to a server with [TLS](RedisBuilder::tls).
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// Makes one call on a connection of its own, with every permission.
    ///
    /// # Panics
    ///
    /// If the answer is an error, or none comes within 30 seconds.
    pub async fn command(&self, command: &[&str]) -> Value {
        self.query(command).await.unwrap_or_else(|error| self.fail(command, &error))
    }

    /// As [`command`](Self::command), with the answer as another type, or as an error.
    ///
    /// # Errors
    ///
    /// The server's, or that there is no answer.
    pub async fn query<T: FromRedisValue>(&self, command: &[&str]) -> RedisResult<T> {
        self.query_within(RESPONSE, command).await
    }

    /// A connection with every permission, over the server's Unix socket.
    ///
    /// # Panics
    ///
    /// If there is none to be had.
    pub async fn connection(&self) -> MultiplexedConnection {
        let connection = self.connection_as(USER, &self.password).await;
        connection.unwrap_or_else(|error| self.fail("connecting", &error))
    }

    /// A connection of somebody else, over the server's Unix socket.
    ///
    /// # Errors
    ///
    /// If the server does not know them.
    pub async fn connection_as(
        &self,
        user: &str,
        password: &str,
    ) -> RedisResult<MultiplexedConnection> {
        self.connect(user, password, RESPONSE).await
    }

    /// How often a command was called since the server was started, as in `INFO commandstats`,
    /// whether it succeeded or not: `get`, `evalsha`, `config|set`. Zero if never.
    ///
    /// # Panics
    ///
    /// As [`command`](Self::command).
    pub async fn command_calls(&self, name: &str) -> u64 {
        let statistics = self.info("commandstats").await;
        let Some(fields) = statistics.get(&format!("cmdstat_{}", name.to_ascii_lowercase())) else {
            return 0;
        };
        let calls = fields.split(',').find_map(|field| field.strip_prefix("calls="));
        let calls = calls.and_then(|calls| calls.parse().ok());
        calls.unwrap_or_else(|| self.fail("reading INFO commandstats", &fields))
    }

    /// A section of what the server says of itself (`INFO`), such as `replication`.
    ///
    /// # Panics
    ///
    /// As [`command`](Self::command).
    pub async fn info(&self, section: &str) -> BTreeMap<String, String> {
        let command = ["INFO", section];
        let text: String =
            self.query(&command).await.unwrap_or_else(|error| self.fail(command, &error));
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Makes a call that is part of polling: that it fails, or takes long, may well be.
    pub(super) async fn poll<T: FromRedisValue>(&self, command: &[&str]) -> RedisResult<T> {
        self.query_within(POLL, command).await
    }

    /// The port of the bus between the nodes of a cluster.
    pub(super) fn bus_port(&self) -> Option<u16> {
        self.bus.as_ref().map(Port::number)
    }

    /// A message together with the last lines of the log, which is not read unless it is needed.
    pub(super) fn report<W>(&self, what: W) -> Report<'_, W> {
        self.server.report(what)
    }

    async fn query_within<T: FromRedisValue>(
        &self,
        limit: Duration,
        command: &[&str],
    ) -> RedisResult<T> {
        let mut connection = self.connect(USER, &self.password, limit).await?;
        let (name, arguments) = command.split_first().unwrap_or((&"", &[]));
        redis::cmd(name).arg(arguments).query_async(&mut connection).await
    }

    async fn connect(
        &self,
        user: &str,
        password: &str,
        limit: Duration,
    ) -> RedisResult<MultiplexedConnection> {
        let credentials = RedisConnectionInfo::default().set_username(user).set_password(password);
        let server = ConnectionAddr::Unix(admin_socket(self.server.process.folder()))
            .into_connection_info()?
            .set_redis_settings(credentials);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limit))
            .set_response_timeout(Some(limit));
        Client::open(server)?.get_multiplexed_async_connection_with_config(&config).await
    }

    pub(super) fn fail(&self, doing: impl fmt::Debug, why: &impl fmt::Display) -> ! {
        self.server.fail(doing, why)
    }
}

controls!(Redis);

impl Fixture for Redis {
    fn server(&self) -> &Server {
        &self.server
    }

    async fn ready(&self) -> io::Result<()> {
        self.server.wait_for_answer(|| self.poll::<Value>(&["PING"])).await
    }
}

pub(super) fn admin_socket(folder: &Path) -> PathBuf {
    folder.join("admin.sock")
}

//! Redis under the watch of Sentinel.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::builder::RedisBuilder;
use super::redis::Redis;
use crate::patience::Patience;

/// What the sentinels call the servers that they watch.
const MASTER: &str = "main";

/// How many there are, and how many of them have to agree.
const SENTINELS: usize = 3;
const QUORUM: usize = 2;

/// How long all of them may take to notice something.
const AGREEMENT: Duration = Duration::from_secs(30);

/// Periods in milliseconds, in which sentinels do what they do every few seconds otherwise.
///
/// A sentinel that sees a replica call itself primary, and has not heard of a failover for four
/// periods of publishing, makes it a replica again: so much time the news must have.
const PERIODS: &[(&str, &str)] = &[
    ("INFO-PERIOD", "200"),
    ("PING-PERIOD", "200"),
    ("ASK-PERIOD", "200"),
    ("PUBLISH-PERIOD", "1000"),
];

/// For as long as there is no failover, and they have to find each other.
const PERIODS_AT_FIRST: &[(&str, &str)] = &[("INFO-PERIOD", "100"), ("PUBLISH-PERIOD", "100")];

/// A Redis primary, its replicas, and three sentinels that watch them and agree by two; see
/// [`Redis`] for what each can do.
///
/// ```no_run
/// # async fn example() {
/// use session_testkit::servers::Sentinel;
///
/// let sentinel = Sentinel::start().await;
/// let first = sentinel.current_primary_port().await;
/// let second = sentinel.fail_over().await;
/// assert_ne!(first, second);
/// // Not planned this time:
/// sentinel.redis(second).kill();
/// # }
/// ```
#[derive(Debug)]
pub struct Sentinel {
    /// The one that was started as primary comes first.
    servers: Vec<Redis>,
    sentinels: Vec<Redis>,
}

impl Sentinel {
    /// Starts a primary with one replica, and returns when the sentinels know all there is.
    ///
    /// # Panics
    ///
    /// As [`SentinelBuilder::start`].
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// More replicas, or a configuration of one's own.
    pub fn builder() -> SentinelBuilder {
        SentinelBuilder {
            replicas: 1,
            down_after: Duration::from_secs(1),
            failover_timeout: Duration::from_secs(3),
            server: Redis::builder(),
        }
    }

    /// Where the sentinels listen, as `127.0.0.1:PORT`.
    pub fn nodes(&self) -> Vec<String> {
        self.sentinels.iter().map(|sentinel| sentinel.address().to_string()).collect()
    }

    /// The name by which the sentinels know the servers: `main`.
    pub fn master(&self) -> &'static str {
        MASTER
    }

    /// The sentinels themselves. One that is started again takes as long as sentinels usually do.
    pub fn sentinels(&self) -> &[Redis] {
        &self.sentinels
    }

    /// The server that was started as primary, whatever it is now.
    pub fn primary(&self) -> &Redis {
        &self.servers[0]
    }

    /// The servers that were started as replicas, whatever they are now.
    pub fn replicas(&self) -> &[Redis] {
        &self.servers[1..]
    }

    /// The server on this port, primary or replica.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn redis(&self, port: u16) -> &Redis {
        let server = self.servers.iter().find(|server| server.port() == port);
        server.unwrap_or_else(|| panic!("none of {:?} is on port {port}", self.servers))
    }

    /// The port of the server that is primary now, according to the first sentinel that answers.
    ///
    /// # Panics
    ///
    /// If none answers.
    pub async fn current_primary_port(&self) -> u16 {
        for sentinel in self.running() {
            if let Some(port) = primary_according_to(sentinel).await {
                return port;
            }
        }
        panic!("no sentinel answers: {:?}", self.sentinels)
    }

    /// Has a replica take over from the primary, and returns its port, when every sentinel knows
    /// and it has become primary itself. The old one may hold itself to be primary for another
    /// four seconds.
    ///
    /// # Panics
    ///
    /// If that does not happen within 30 seconds, or no sentinel runs.
    pub async fn fail_over(&self) -> u16 {
        let before = self.current_primary_port().await;
        let sentinel = self.running().next().expect("one that has answered");
        let patience = Patience::new(AGREEMENT);
        // It refuses as long as it is not sure of a replica, or not done with the last time.
        while let Err(error) = sentinel.poll::<()>(&["SENTINEL", "FAILOVER", MASTER]).await {
            patience.wait_for(sentinel.report(format!("the start of a failover: {error}"))).await;
        }
        loop {
            let after = self.current_primary_port().await;
            if after != before && self.agree_on(after).await {
                return after;
            }
            patience.wait_for(sentinel.report("the end of a failover")).await;
        }
    }

    fn running(&self) -> impl Iterator<Item = &Redis> {
        self.sentinels.iter().filter(|sentinel| sentinel.pid().is_some())
    }

    /// Whether everybody holds the server on this port to be the primary, itself included.
    async fn agree_on(&self, port: u16) -> bool {
        for sentinel in self.running() {
            if primary_according_to(sentinel).await != Some(port) {
                return false;
            }
        }
        let role = self.redis(port).poll(&["INFO", "replication"]).await;
        role.is_ok_and(|text: String| text.contains("role:master"))
    }
}

/// Says what the sentinels watch, and starts all of it.
///
/// ```no_run
/// # async fn example() {
/// use std::time::Duration;
///
/// use session_testkit::servers::Sentinel;
///
/// let sentinel = Sentinel::builder()
///     .replicas(2)
///     .down_after(Duration::from_millis(500))
///     .config("min-replicas-to-write", 1)
///     .start()
///     .await;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SentinelBuilder {
    replicas: usize,
    down_after: Duration,
    failover_timeout: Duration,
    server: RedisBuilder,
}

impl SentinelBuilder {
    /// The number of replicas.
    ///
    /// # Default
    ///
    /// 1.
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// How long a server may be out of reach until a sentinel holds it to be down.
    ///
    /// # Default
    ///
    /// One second.
    #[must_use]
    pub fn down_after(mut self, down_after: Duration) -> Self {
        self.down_after = down_after;
        self
    }

    /// How long a failover may take. Twice that after one has failed, the next is tried.
    ///
    /// # Default
    ///
    /// Three seconds.
    #[must_use]
    pub fn failover_timeout(mut self, timeout: Duration) -> Self {
        self.failover_timeout = timeout;
        self
    }

    /// Adds a line to the configuration of the primary and the replicas; see
    /// [`RedisBuilder::config`]. They and the sentinels talk to each other without passwords and
    /// TLS.
    #[must_use]
    pub fn config(mut self, directive: &str, value: impl fmt::Display) -> Self {
        self.server = self.server.config(directive, value);
        self
    }

    /// Adds a user to the primary and the replicas; see [`RedisBuilder::acl`].
    #[must_use]
    pub fn acl(mut self, line: &str) -> Self {
        self.server = self.server.acl(line);
        self
    }

    /// Starts everything, and returns when the replicas are in step, and the sentinels know them
    /// and each other.
    ///
    /// # Panics
    ///
    /// If one of them does not start, or that takes more than 30 seconds.
    pub async fn start(self) -> Sentinel {
        let mut servers = vec![self.server.clone().start().await];
        let replica = self.server.clone().config("replicaof", local(servers[0].port()));
        servers.extend(replica.start_many(self.replicas).await);
        let sentinels = self.sentinel(servers[0].port()).start_many(SENTINELS).await;
        set_periods(&sentinels, PERIODS_AT_FIRST).await;
        wait_for_replicas(&servers[0], self.replicas).await;
        wait_for_sentinels(&sentinels, self.replicas).await;
        set_periods(&sentinels, PERIODS).await;
        Sentinel { servers, sentinels }
    }

    fn sentinel(&self, primary: u16) -> RedisBuilder {
        let of_master = |directive| format!("sentinel {directive} {MASTER}");
        Redis::builder()
            .sentinel()
            .config(&of_master("monitor"), format!("{} {QUORUM}", local(primary)))
            .config(&of_master("down-after-milliseconds"), self.down_after.as_millis())
            .config(&of_master("failover-timeout"), self.failover_timeout.as_millis())
            .config(&of_master("parallel-syncs"), 1)
    }
}

fn local(port: u16) -> String {
    format!("127.0.0.1 {port}")
}

async fn set_periods(sentinels: &[Redis], periods: &[(&str, &str)]) {
    for sentinel in sentinels {
        for (name, milliseconds) in periods {
            sentinel.command(&["SENTINEL", "DEBUG", name, milliseconds]).await;
        }
    }
}

async fn wait_for_replicas(primary: &Redis, count: usize) {
    let patience = Patience::new(AGREEMENT);
    loop {
        let known = primary.poll::<String>(&["INFO", "replication"]).await.unwrap_or_default();
        if known.matches(",state=online,").count() == count {
            return;
        }
        patience.wait_for(primary.report("a primary to have its replicas in step")).await;
    }
}

async fn wait_for_sentinels(sentinels: &[Redis], replicas: usize) {
    let patience = Patience::new(AGREEMENT);
    for sentinel in sentinels {
        while !knows_all(sentinel, replicas).await {
            patience.wait_for(sentinel.report("a sentinel to know all the others")).await;
        }
    }
}

async fn knows_all(sentinel: &Redis, replicas: usize) -> bool {
    type Known = Vec<HashMap<String, String>>;
    let has =
        |one: &HashMap<String, String>, field, value| one.get(field).is_some_and(|is| is == value);

    let others: Known = sentinel.poll(&["SENTINEL", "SENTINELS", MASTER]).await.unwrap_or_default();
    let followers: Known =
        sentinel.poll(&["SENTINEL", "REPLICAS", MASTER]).await.unwrap_or_default();
    let quorum: Option<String> = sentinel.poll(&["SENTINEL", "CKQUORUM", MASTER]).await.ok();
    others.len() == SENTINELS - 1
        && others.iter().all(|one| has(one, "flags", "sentinel"))
        && followers.len() == replicas
        && followers.iter().all(|one| has(one, "flags", "slave"))
        && followers.iter().all(|one| has(one, "master-link-status", "ok"))
        && quorum.is_some_and(|text| text.starts_with("OK"))
}

async fn primary_according_to(sentinel: &Redis) -> Option<u16> {
    let command = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER];
    let address: Vec<String> = sentinel.poll(&command).await.ok()?;
    address.get(1)?.parse().ok()
}

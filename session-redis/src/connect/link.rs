//! A connection that is looked after.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use session_core::Error;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::connector::{Connector, Driver, ask};
use super::sentinel::Sentinels;
use crate::background::Background;
use crate::error::{Failure, code};
use crate::topology::Endpoint;

/// One multiplexed connection to whichever server its [`Source`] names, kept up by a task of its
/// own: nothing that a reader waits for is held while a connection is made.
///
/// While there is none, callers wait for the first attempt and no longer: from the first failure
/// on they fail at once, until an attempt succeeds. Attempts go on in the background.
pub(crate) struct Link {
    shared: Arc<Shared>,
    keeper: Background,
}

/// Which server to connect to, found out anew for every connection.
#[derive(Clone)]
pub(crate) enum Source {
    /// This one, which must be a primary.
    Primary(Endpoint),
    /// The master, as the Sentinels say.
    Master(Arc<Sentinels>),
    /// One of the master's replicas.
    ReplicaOf(Arc<Sentinels>),
    /// A replica in a Cluster.
    ClusterReplica(Endpoint),
}

/// A connection that was up when it was handed out.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) multiplexed: MultiplexedConnection,
    pub(crate) endpoint: Arc<Endpoint>,
    /// Which of this process' connections, to tell a new one from the old.
    pub(crate) number: u64,
}

#[derive(Clone)]
enum State {
    /// The first attempt, or the first after a connection was lost, is under way.
    Connecting,
    Up(Connection),
    /// The last attempt failed.
    Down(Failure),
}

struct Shared {
    source: Source,
    connector: Arc<Connector>,
    state: watch::Sender<State>,
    /// Somebody has waited in vain for an answer.
    doubted: Notify,
    /// The number of the last connection whose server has said that it is no primary.
    demoted: watch::Sender<u64>,
    begun: Instant,
    /// When whoever watches over the connection was last seen at work, in ms since `begun`.
    watched: AtomicU64,
}

/// How often the watcher shows that it is at work, in ms.
const WATCH: u64 = 250;
/// Longer, and this process has not run, or its machine: Sentinels may have named another master
/// meanwhile, and a master that slept as long does not know either.
const NAP: u64 = 1_000;

impl Link {
    /// Nothing is connected before the first call.
    pub(crate) fn new(source: Source, connector: Arc<Connector>) -> Self {
        let shared = Shared {
            source,
            connector,
            state: watch::Sender::new(State::Connecting),
            doubted: Notify::new(),
            demoted: watch::Sender::new(0),
            begun: Instant::now(),
            watched: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared), keeper: Background::default() }
    }

    /// A connection; waits for an attempt that is under way, and fails at once if the last one
    /// has failed.
    pub(crate) async fn connection(&self) -> Result<Connection, Error> {
        self.connection_other_than(None).await
    }

    /// As [`connection`](Self::connection), but not the one of this number, which has failed.
    pub(crate) async fn connection_other_than(
        &self,
        stale: Option<u64>,
    ) -> Result<Connection, Error> {
        self.keep();
        let is_usable =
            |connection: &Connection| Some(connection.number) != stale && !self.shared.has_slept();
        if let State::Up(connection) = &*self.shared.state.borrow()
            && is_usable(connection)
        {
            return Ok(connection.clone());
        }
        let mut states = self.shared.state.subscribe();
        loop {
            self.keep();
            match &*states.borrow_and_update() {
                State::Up(connection) if is_usable(connection) => {
                    return Ok(connection.clone());
                }
                State::Down(failure) => return Err(failure.clone().into()),
                State::Up(_) | State::Connecting => {}
            }
            if states.changed().await.is_err() {
                return Err(Failure::unavailable("the store is closed").into());
            }
        }
    }

    /// The connection, if there is one at the moment.
    pub(crate) fn current(&self) -> Option<Connection> {
        self.keep();
        match &*self.shared.state.borrow() {
            State::Up(connection) => Some(connection.clone()),
            State::Connecting | State::Down(_) => None,
        }
    }

    /// Returns when the link is up by another connection than that of this number. It may be to
    /// another server, even if that is found at the same address.
    pub(crate) async fn replaced(&self, number: u64) {
        let mut states = self.shared.state.subscribe();
        let replaced = |state: &State| matches!(state, State::Up(now) if now.number != number);
        // The sender is in `self`, and so still there.
        let _ = states.wait_for(replaced).await;
    }

    /// An answer did not come in time: is anybody there?
    pub(crate) fn doubt(&self) {
        self.shared.doubted.notify_one();
    }

    /// The server behind this connection is no primary any more: look for the one that is.
    pub(crate) fn demoted(&self, connection: &Connection) {
        self.shared.demoted.send_replace(connection.number);
    }

    fn keep(&self) {
        self.keeper.ensure_running(|| {
            let [kept, left] = [Arc::clone(&self.shared), Arc::clone(&self.shared)];
            // Whoever waits starts another one.
            let ended = move || drop(left.state.send_replace(State::Connecting));
            (async move { kept.keep().await }, ended)
        });
    }
}

impl Shared {
    async fn keep(&self) {
        let mut backoff = Backoff::default();
        loop {
            let asked = self.now();
            match self.connect().await {
                Ok((connection, mut driver)) => {
                    self.watched.store(asked, Ordering::Relaxed);
                    let up_since = Instant::now();
                    tracing::info!(server = %connection.endpoint, "connected to Redis");
                    self.state.send_replace(State::Up(connection.clone()));
                    let reason = self.watch_over(&connection, &mut driver).await;
                    tracing::warn!(server = %connection.endpoint, ?reason, "left Redis");
                    let was_up_for_long = up_since.elapsed() > Backoff::LONGEST;
                    let is_worth_waiting = was_up_for_long && !reason.is_timeout();
                    self.state.send_replace(match is_worth_waiting {
                        true => State::Connecting,
                        false => State::Down(reason),
                    });
                    // A server that hangs up at once is not to be stormed.
                    if was_up_for_long {
                        backoff = Backoff::default();
                        continue;
                    }
                }
                Err(failure) => {
                    tracing::debug!(?failure, "cannot connect to Redis");
                    self.state.send_replace(State::Down(failure));
                }
            }
            sleep(backoff.pause()).await;
        }
    }

    async fn connect(&self) -> Result<(Connection, Driver), Failure> {
        let (endpoint, role) = match &self.source {
            Source::Primary(endpoint) => (endpoint.clone(), Role::Primary),
            Source::Master(sentinels) => (sentinels.master().await?, Role::Primary),
            Source::ReplicaOf(sentinels) => (sentinels.replica().await?, Role::Replica),
            Source::ClusterReplica(endpoint) => (endpoint.clone(), Role::ClusterReplica),
        };
        let (mut multiplexed, driver) = self.connector.open(&endpoint).await?;
        timeout(self.connector.timeout, role.check(&mut multiplexed))
            .await
            .unwrap_or_else(|_| Err(Failure::timeout("the server does not tell its role")))?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok((Connection { multiplexed, endpoint: Arc::new(endpoint), number }, driver))
    }

    /// Returns when the connection is not to be used any more, and why.
    async fn watch_over(&self, connection: &Connection, driver: &mut Driver) -> Failure {
        let lost_connection = || Failure::unavailable("the connection was lost");
        let mut demotions = self.demoted.subscribe();
        let mut demoted = pin!(demotions.wait_for(|number| *number == connection.number));
        let mut lost = pin!(driver.lost());
        let mut moved = pin!(async {
            match &self.source {
                Source::Master(sentinels) => sentinels.moved_from(&connection.endpoint).await,
                _ => std::future::pending().await,
            }
        });
        loop {
            let is_doubted = tokio::select! {
                () = &mut lost => return lost_connection(),
                () = &mut moved => {
                    return Failure::unavailable("the Sentinels name another master");
                }
                _ = &mut demoted => return Failure::refused("READONLY"),
                () = self.doubted.notified() => true,
                () = sleep(Duration::from_millis(WATCH)) => false,
            };
            if !is_doubted {
                match self.look_around(&connection.endpoint).await {
                    Some(failure) => return failure,
                    None => continue,
                }
            }
            let mut multiplexed = connection.multiplexed.clone();
            let ping = redis::cmd("PING");
            let answer = timeout(self.connector.timeout, ask(&mut multiplexed, &ping));
            let answer = tokio::select! {
                () = &mut lost => return lost_connection(),
                answer = answer => answer,
            };
            if answer.is_err() {
                return Failure::timeout("the server does not answer");
            }
        }
    }
}

impl Shared {
    fn now(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }

    /// Whether nobody has watched over the connection to a master for so long that it may be one
    /// no more.
    fn has_slept(&self) -> bool {
        let is_master = matches!(self.source, Source::Master(_));
        is_master && self.now().saturating_sub(self.watched.load(Ordering::Relaxed)) > NAP
    }

    /// The watcher is at work. If it was not, the Sentinels are asked before anybody else is
    /// answered; without a Sentinel to ask, the connection is as good as it was.
    async fn look_around(&self, endpoint: &Endpoint) -> Option<Failure> {
        let (asked, has_slept) = (self.now(), self.has_slept());
        if has_slept
            && let Source::Master(sentinels) = &self.source
            && sentinels.master().await.is_ok_and(|now| now != *endpoint)
        {
            return Some(Failure::unavailable("the Sentinels name another master"));
        }
        self.watched.store(asked, Ordering::Relaxed);
        if has_slept {
            // For those who wait.
            self.state.send_modify(|_| {});
        }
        None
    }
}

static NEXT: AtomicU64 = AtomicU64::new(1);

enum Role {
    Primary,
    Replica,
    ClusterReplica,
}

impl Role {
    async fn check(&self, connection: &mut MultiplexedConnection) -> Result<(), Failure> {
        if let Self::ClusterReplica = self {
            ask(connection, &redis::cmd("READONLY")).await?;
            return Ok(());
        }
        let role = match ask(connection, &redis::cmd("ROLE")).await {
            Ok(role) => role,
            // Some services keep it from their customers, and move a host name instead.
            Err(error) if is_withheld(&error) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match (self, role_of(&role)) {
            (Self::Primary, Some("master")) | (Self::Replica, Some("slave")) => Ok(()),
            (Self::Primary, _) => Err(Failure::refused("READONLY")),
            _ => Err(Failure::unavailable("the server is no replica")),
        }
    }
}

fn is_withheld(error: &RedisError) -> bool {
    matches!(code(error), Some("NOPERM" | "ERR"))
}

/// The first word of the answer to `ROLE`.
pub(crate) fn role_of(reply: &Value) -> Option<&str> {
    match reply {
        Value::Array(parts) => match parts.first()? {
            Value::BulkString(role) => std::str::from_utf8(role).ok(),
            Value::SimpleString(role) => Some(role),
            _ => None,
        },
        _ => None,
    }
}

/// Pauses between attempts, longer each time, and different on every node.
#[derive(Default)]
struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(25);
    /// Also the longest time by which a store's return may go unnoticed.
    const LONGEST: Duration = Duration::from_millis(500);

    fn pause(&mut self) -> Duration {
        let full = (Self::FIRST * (1 << self.failures.min(8))).min(Self::LONGEST);
        self.failures += 1;
        full.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &*self.shared.state.borrow() {
            State::Connecting => "connecting".to_owned(),
            State::Up(connection) => format!("up, to {}", connection.endpoint),
            State::Down(failure) => format!("down: {failure:?}"),
        };
        f.debug_struct("Link").field("state", &state).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        let mut backoff = Backoff::default();
        let pauses: Vec<Duration> = (0..40).map(|_| backoff.pause()).collect();
        assert!(pauses[0] <= Backoff::FIRST);
        assert!(pauses.iter().all(|pause| *pause <= Backoff::LONGEST));
        let last = &pauses[20..];
        assert!(last.iter().all(|pause| *pause >= Backoff::LONGEST / 2));
        assert!(last.windows(2).any(|pair| pair[0] != pair[1]));
    }
}

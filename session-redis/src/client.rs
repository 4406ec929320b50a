//! Sends calls to the server that is in charge, and sees them through to one answer.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, Value};
use session_core::Error;
use tokio::time::{Instant, sleep, timeout_at};

use crate::connect::{Connection, Link, Primary, Servers};
use crate::error::{Failure, NOT_REPLICATED, code};
use crate::scripts::Script;
use crate::slot::Slot;
use crate::topology::Endpoint;

/// Executes calls.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) servers: Servers,
    /// How long an operation may take, whatever happens on the way.
    pub(crate) timeout: Duration,
}

/// How many replicas must have a write before it is acknowledged, and how long that may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) replicas: u32,
    pub(crate) timeout: Duration,
}

/// What to ask of the server in charge of a slot.
pub(crate) struct Call<'a> {
    pub(crate) slot: Slot,
    pub(crate) request: Request<'a>,
    /// When the operation that the call is a part of has to be over.
    pub(crate) until: Instant,
    /// Whether it may be executed twice: if the connection is lost before the answer, it is sent
    /// once more.
    pub(crate) is_repeatable: bool,
    /// How many replicas must have the write, and how much longer that may take.
    pub(crate) wait: Option<Wait>,
}

pub(crate) enum Request<'a> {
    Command(&'a Cmd),
    Script {
        script: &'static Script,
        keys: &'a [&'a [u8]],
        /// Adds the arguments; some depend on who executes the call.
        arguments: &'a (dyn Fn(&Primary, &mut Cmd) + Sync),
    },
}

/// How often one call may be sent on by one server to another. A slot moves once.
const REDIRECTIONS: u32 = 8;
/// How long to wait for a slot that is half way between two servers.
const HALF_WAY: Duration = Duration::from_millis(5);

impl Client {
    /// When an operation that begins now has to be over.
    pub(crate) fn until(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Who executes writes in this slot.
    pub(crate) async fn primary(&self, slot: Slot, until: Instant) -> Result<Arc<Primary>, Error> {
        let primary = timeout_at(until, self.servers.primary(slot)).await;
        primary.unwrap_or_else(|_| Err(self.no_answer()))
    }

    /// The answer, which is no error of the server.
    ///
    /// A call is sent again only if it has not been executed for certain (the server was not, or
    /// not yet, the one in charge), or may be executed twice.
    pub(crate) async fn execute(&self, call: Call<'_>) -> Result<Value, Error> {
        let until = call.until + call.wait.map_or(Duration::ZERO, |wait| wait.timeout);
        let mut way = Way::new();
        match timeout_at(until, self.follow(&call, &mut way)).await {
            Ok(answer) => answer,
            Err(_) => {
                if let Some(primary) = &way.primary {
                    call.link(primary, &way).doubt();
                    self.contradict();
                }
                Err(self.no_answer())
            }
        }
    }

    /// What became of each of the calls, in their order. Those for the same server travel together; the
    /// calls must be repeatable, since one that is not answered so is made again on its own.
    pub(crate) async fn execute_all(
        &self,
        until: Instant,
        calls: Vec<Call<'_>>,
    ) -> Result<Vec<Result<Value, Error>>, Error> {
        let mut asked = Vec::new();
        match timeout_at(until, self.follow_all(&calls, &mut asked)).await {
            Ok(answers) => answers,
            Err(_) => {
                asked.iter().for_each(|(primary, _)| primary.link.doubt());
                self.contradict();
                Err(self.no_answer())
            }
        }
    }

    async fn follow_all(
        &self,
        calls: &[Call<'_>],
        groups: &mut Vec<(Arc<Primary>, Vec<usize>)>,
    ) -> Result<Vec<Result<Value, Error>>, Error> {
        for (index, call) in calls.iter().enumerate() {
            let primary = self.servers.primary(call.slot).await?;
            match groups.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &primary)) {
                Some((_, group)) => group.push(index),
                None => groups.push((primary, vec![index])),
            }
        }
        let mut answers = vec![None; calls.len()];
        let together = groups.iter().map(|(primary, group)| send_together(primary, calls, group));
        for (index, answer) in join_all(together).await.into_iter().flatten() {
            answers[index] = Some(answer);
        }
        let one_by_one = calls.iter().zip(answers).map(|(call, answer)| async move {
            match answer {
                Some(answer) => Ok(answer),
                None => self.follow(call, &mut Way::new()).await,
            }
        });
        Ok(join_all(one_by_one).await)
    }

    async fn follow(&self, call: &Call<'_>, way: &mut Way) -> Result<Value, Error> {
        loop {
            let primary = match way.primary.take() {
                Some(primary) => primary,
                None => self.servers.primary(call.slot).await?,
            };
            let link = call.link(&primary, way);
            way.primary = Some(Arc::clone(&primary));
            let connection = match link.connection_other_than(way.stale).await {
                Ok(connection) => connection,
                Err(error) => {
                    self.contradict();
                    return Err(error);
                }
            };
            let error = match call.send(&connection, &primary, way).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let is_over = self.react(call, way, link, &connection, &error).await?;
            if is_over {
                return Err(Failure::from(error).into());
            }
        }
    }

    /// Prepares another try and says whether there is none.
    async fn react(
        &self,
        call: &Call<'_>,
        way: &mut Way,
        link: &Link,
        connection: &Connection,
        error: &RedisError,
    ) -> Result<bool, Error> {
        match code(error) {
            Some("NOSCRIPT") if !way.by_source => way.by_source = true,
            Some("MOVED" | "ASK") if way.redirections < REDIRECTIONS => {
                way.redirections += 1;
                let Servers::Cluster(cluster) = &self.servers else { return Ok(true) };
                let Some(endpoint) = redirection(error, &connection.endpoint) else {
                    return Ok(true);
                };
                way.is_asking = code(error) == Some("ASK");
                way.primary = Some(cluster.primary_at(&endpoint).await?);
            }
            Some("TRYAGAIN") => {
                sleep(HALF_WAY.mul_f64(0.5 + fastrand::f64())).await;
                way.primary = None;
                way.is_asking = false;
                // Until the move is done, the one sends us on and the other sends us back.
                way.redirections = 0;
            }
            Some("READONLY") => {
                link.demoted(connection);
                self.contradict();
                return Ok(!way.try_once_more(connection));
            }
            Some("CLUSTERDOWN" | "MASTERDOWN" | "LOADING") => {
                self.contradict();
                return Ok(true);
            }
            Some(_) => return Ok(true),
            None => {
                self.contradict();
                let is_lost = error.is_io_error();
                return Ok(!(is_lost && call.is_repeatable && way.try_once_more(connection)));
            }
        }
        Ok(false)
    }

    fn no_answer(&self) -> Error {
        let failure = Failure::timeout("no answer in time");
        Error::from(failure).with("limit", format_args!("{:?}", self.timeout))
    }

    fn contradict(&self) {
        if let Servers::Cluster(cluster) = &self.servers {
            cluster.contradict();
        }
    }
}

/// How far a call has come.
struct Way {
    /// Which of the connections to wait on it takes, if it does.
    line: usize,
    /// Who was asked last, or is to be asked next.
    primary: Option<Arc<Primary>>,
    /// The connection that failed.
    stale: Option<u64>,
    by_source: bool,
    is_asking: bool,
    redirections: u32,
}

impl Way {
    fn new() -> Self {
        Self {
            line: fastrand::usize(..),
            primary: None,
            stale: None,
            by_source: false,
            is_asking: false,
            redirections: 0,
        }
    }

    /// Whether a connection has failed this call for the first time.
    fn try_once_more(&mut self, failed: &Connection) -> bool {
        self.primary = None;
        self.is_asking = false;
        self.stale.replace(failed.number).is_none()
    }
}

impl Call<'_> {
    fn link<'a>(&self, primary: &'a Primary, way: &Way) -> &'a Link {
        if self.wait.is_some() { primary.waiting(way.line) } else { &primary.link }
    }

    async fn send(
        &self,
        connection: &Connection,
        primary: &Primary,
        way: &Way,
    ) -> Result<Value, RedisError> {
        let mut connection = connection.multiplexed.clone();
        let answer = self.send_itself(&mut connection, primary, way).await?;
        if let (Some(wait), true) = (self.wait, self.may_have_written(&answer)) {
            wait.on(&mut connection).await?;
        }
        Ok(answer)
    }

    /// A conflict has written nothing that could be waited for, nor has a call that found nothing,
    /// unless it is made for the second time.
    fn may_have_written(&self, answer: &Value) -> bool {
        match answer {
            Value::BulkString(_) => false,
            Value::Int(0) => self.is_repeatable,
            _ => true,
        }
    }

    async fn send_itself(
        &self,
        connection: &mut MultiplexedConnection,
        primary: &Primary,
        way: &Way,
    ) -> Result<Value, RedisError> {
        if !way.is_asking {
            return match &self.request {
                Request::Command(command) => connection.send_packed_command(command).await,
                Request::Script { .. } => {
                    let command = self.request.command(primary, way.by_source);
                    connection.send_packed_command(&command).await
                }
            }?
            .extract_error();
        }
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.cmd("ASKING");
        pipeline.add_command(self.request.command(primary, way.by_source));
        let answers = connection.send_packed_commands(&pipeline, 0, 2).await?;
        answers.into_iter().next_back().unwrap_or_default().extract_error()
    }
}

impl Wait {
    /// Waits until enough replicas have what was written on this connection.
    async fn on(self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let mut command = redis::cmd("WAIT");
        command.arg(self.replicas).arg(self.timeout.as_millis() as u64);
        match connection.send_packed_command(&command).await?.extract_error()? {
            Value::Int(reached) if reached >= i64::from(self.replicas) => Ok(()),
            _ => Err(redis::make_extension_error(NOT_REPLICATED.to_owned(), None)),
        }
    }
}

/// Sends some of the calls in one go. The answers, each with the call's index; none for a call that
/// the server would not execute, or if the connection fails.
async fn send_together(
    primary: &Primary,
    calls: &[Call<'_>],
    group: &[usize],
) -> Vec<(usize, Value)> {
    let Ok(mut connection) = primary.link.connection().await else { return Vec::new() };
    let mut pipeline = Pipeline::with_capacity(group.len());
    for &index in group {
        pipeline.add_command(calls[index].request.command(primary, false));
    }
    let answers = connection.multiplexed.send_packed_commands(&pipeline, 0, group.len()).await;
    let answers = group.iter().copied().zip(answers.unwrap_or_default());
    answers.filter(|(_, answer)| !matches!(answer, Value::ServerError(_))).collect()
}

impl Request<'_> {
    fn command(&self, primary: &Primary, by_source: bool) -> Cmd {
        match self {
            Self::Command(command) => (*command).clone(),
            Self::Script { script, keys, arguments } => {
                let mut command = script.call(by_source, keys);
                arguments(primary, &mut command);
                command
            }
        }
    }
}

/// Where a node sends us. One that leaves out the host means its own.
fn redirection(error: &RedisError, from: &Endpoint) -> Option<Endpoint> {
    let (address, _slot) = error.redirect_node()?;
    Endpoint::parse(address).or_else(|| {
        let port = address.strip_prefix(':')?;
        Endpoint::parse(&format!("{}:{port}", from.host()?))
    })
}

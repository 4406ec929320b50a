//! Who is master, according to the Sentinels.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, PushInfo, PushKind, Value};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::asking::first_answers;
use super::connector::{Connector, ask};
use crate::error::Failure;
use crate::sync::lock;
use crate::topology::Endpoint;

/// The Sentinels of one master.
pub(crate) struct Sentinels {
    nodes: Vec<Endpoint>,
    master: String,
    connector: Connector,
    /// The newest view that one of them had, and when that was.
    newest: Mutex<Option<(View, Instant)>>,
}

/// A Sentinel's view. Of two that differ, the one with the higher epoch is the newer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct View {
    epoch: u64,
    endpoint: Endpoint,
}

/// How long to wait, after the first Sentinel's answer, for one that may know better.
const GRACE: Duration = Duration::from_millis(50);
/// How often to ask a Sentinel that should have told us of a change by itself, and at most how
/// long to leave one alone that is of no use.
const POLL: Duration = Duration::from_secs(1);

/// How long a view stands against older ones. Not for ever, since Sentinels that are set up anew
/// count from the beginning.
const REMEMBERED: Duration = Duration::from_secs(5);

impl Sentinels {
    pub(crate) fn new(nodes: Vec<Endpoint>, master: String, connector: Connector) -> Self {
        Self { nodes, master, connector, newest: Mutex::default() }
    }

    /// The master, as the best informed of the Sentinels that answer sees it.
    ///
    /// One that was cut off from the others still names the old master. That is why all are asked
    /// and not just the first.
    pub(crate) async fn master(&self) -> Result<Endpoint, Failure> {
        let views = self.ask_all(|mut connection| async move { self.view(&mut connection).await });
        let newest = views.await?.into_iter().max_by_key(|view| view.epoch);
        newest.map(|view| view.endpoint).ok_or_else(|| no_sentinel("none answers"))
    }

    /// A replica that is in touch with the master.
    pub(crate) async fn replica(&self) -> Result<Endpoint, Failure> {
        let lists = self
            .ask_all(|mut connection| async move {
                let mut command = redis::cmd("SENTINEL");
                command.arg("REPLICAS").arg(&self.master);
                Ok(usable_replicas(&ask(&mut connection, &command).await?))
            })
            .await?;
        let replicas = lists.into_iter().max_by_key(Vec::len).unwrap_or_default();
        fastrand::choice(replicas)
            .ok_or_else(|| Failure::unavailable("the master has no replica in working order"))
    }

    /// Returns when the Sentinels name another master than this one: at once when one of them
    /// announces it (`+switch-master`), and soon after if the announcement was lost.
    ///
    /// All are listened to. A single one may hang, or be cut off from the others, while the old
    /// master goes on to take writes that will be thrown away.
    pub(crate) async fn moved_from(&self, endpoint: &Endpoint) {
        let mut told: FuturesUnordered<_> =
            self.nodes.iter().map(|node| self.told_by(node, endpoint)).collect();
        told.next().await;
    }

    /// Returns when this Sentinel has given reason to ask, and the best informed names another
    /// master.
    async fn told_by(&self, node: &Endpoint, endpoint: &Endpoint) {
        loop {
            let heard = self.listen(node, endpoint).await;
            if heard.is_ok() && self.master().await.is_ok_and(|now| now != *endpoint) {
                return;
            }
            // It is down, or behind the others.
            sleep(POLL.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        }
    }

    /// Waits until this Sentinel has reason to believe that the master is another one.
    async fn listen(&self, node: &Endpoint, current: &Endpoint) -> Result<(), Failure> {
        let switched = Arc::new(Notify::new());
        let on_push = {
            let switched = Arc::clone(&switched);
            move |push: PushInfo| {
                if push.kind == PushKind::Message {
                    switched.notify_one();
                }
            }
        };
        let (mut connection, mut driver) =
            self.connector.open_listening(node, Box::new(on_push)).await?;
        // The second is how the Sentinel that leads a failover says it first.
        let subscribed = connection.subscribe(&["+switch-master", "+promoted-slave"]);
        timeout(self.connector.timeout, subscribed).await.map_err(|_| silent())??;
        loop {
            if self.view(&mut connection).await?.endpoint != *current {
                return Ok(());
            }
            tokio::select! {
                () = switched.notified() => {}
                () = sleep(POLL) => {}
                () = driver.lost() => return Err(no_sentinel("the connection was lost")),
            }
        }
    }

    /// The Sentinel that leads a failover names the promoted replica to whoever asks for the
    /// address, with the epoch of its promotion, but describes the old master until all replicas
    /// follow the new one.
    async fn view(&self, connection: &mut MultiplexedConnection) -> Result<View, Failure> {
        let mut questions = Pipeline::with_capacity(2);
        questions.cmd("SENTINEL").arg("MASTER").arg(&self.master);
        questions.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master);
        let answers = connection.send_packed_commands(&questions, 0, questions.len());
        let answers = timeout(self.connector.timeout, answers).await.map_err(|_| silent())??;
        let answers = answers.into_iter().map(Value::extract_error);
        let answers: Vec<Value> = answers.collect::<Result<_, _>>()?;
        let [description, address] = &answers[..] else { return Err(Failure::strange_reply()) };
        let view = parse_view(description, address).ok_or_else(Failure::strange_reply)?;
        Ok(self.newest(view))
    }

    /// This view, unless a Sentinel has just had a newer one: what one of them has told is not
    /// undone by those that have yet to hear of it.
    fn newest(&self, view: View) -> View {
        let mut newest = lock(&self.newest);
        match &*newest {
            Some((newer, at)) if newer.epoch > view.epoch && at.elapsed() < REMEMBERED => {
                newer.clone()
            }
            _ => newest.insert((view, Instant::now())).0.clone(),
        }
    }

    /// Puts a question to every Sentinel at once: the answers that came until shortly after the
    /// first, of which there is one at least.
    async fn ask_all<T: Send, F: Future<Output = Result<T, Failure>> + Send>(
        &self,
        question: impl Fn(MultiplexedConnection) -> F + Sync,
    ) -> Result<Vec<T>, Failure> {
        let question = &question;
        let asked = self.nodes.iter().map(|node| async move {
            let (connection, _driver) = self.connector.open(node).await?;
            timeout(self.connector.timeout, question(connection))
                .await
                .unwrap_or_else(|_| Err(silent()))
        });
        first_answers(asked, GRACE, no_sentinel("none answers")).await
    }
}

fn silent() -> Failure {
    Failure::timeout("a Sentinel does not answer")
}

fn no_sentinel(reason: &str) -> Failure {
    Failure::unavailable(format!("no Sentinel to ask: {reason}"))
}

fn parse_view(description: &Value, address: &Value) -> Option<View> {
    let epoch = Fields::of(description)?.get("config-epoch")?.parse().ok()?;
    let Value::Array(address) = address else { return None };
    let [host, port] = &address[..] else { return None };
    let endpoint = Endpoint::parse(&format!("{}:{}", text(host)?, text(port)?))?;
    Some(View { epoch, endpoint })
}

fn usable_replicas(answer: &Value) -> Vec<Endpoint> {
    let Value::Array(replicas) = answer else { return Vec::new() };
    let usable = |replica: &Value| {
        let fields = Fields::of(replica)?;
        let flags = fields.get("flags")?;
        let is_down = ["s_down", "o_down", "disconnected"].iter().any(|down| flags.contains(down));
        let is_linked = fields.get("master-link-status") == Some("ok");
        if is_linked && !is_down { fields.endpoint() } else { None }
    };
    replicas.iter().filter_map(usable).collect()
}

/// Names and values, as Sentinels answer: one after the other, or (RESP3) in a map.
struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    fn of(answer: &'a Value) -> Option<Self> {
        let pair = |(name, value)| Some((text(name)?, text(value)?));
        let pairs: Option<_> = match answer {
            Value::Map(pairs) => pairs.iter().map(|(name, value)| pair((name, value))).collect(),
            Value::Array(flat) => {
                flat.chunks_exact(2).map(|chunk| pair((&chunk[0], &chunk[1]))).collect()
            }
            _ => None,
        };
        pairs.map(Self)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn endpoint(&self) -> Option<Endpoint> {
        Endpoint::parse(&format!("{}:{}", self.get("ip")?, self.get("port")?))
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(words: &[&str]) -> Value {
        Value::Array(words.iter().map(|word| Value::BulkString(word.as_bytes().into())).collect())
    }

    #[test]
    fn views_are_read_from_both_protocols() {
        let view = View { epoch: 3, endpoint: Endpoint::Tcp("10.0.0.2".to_owned(), 6379) };
        let words = ["name", "main", "ip", "10.0.0.1", "port", "6379", "config-epoch", "3"];
        let address = flat(&["10.0.0.2", "6379"]);
        assert_eq!(parse_view(&flat(&words), &address), Some(view.clone()));
        let Value::Array(values) = flat(&words) else { unreachable!() };
        let map = values.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        assert_eq!(parse_view(&Value::Map(map), &address), Some(view));
        assert_eq!(parse_view(&flat(&words[..6]), &address), None);
        assert_eq!(parse_view(&flat(&words), &Value::Nil), None);
    }

    #[test]
    fn replicas_that_are_down_or_cut_off_are_left_out() {
        let replica = |port, flags, link| {
            flat(&["ip", "::1", "port", port, "flags", flags, "master-link-status", link])
        };
        let answer = Value::Array(vec![
            replica("1", "slave", "ok"),
            replica("2", "s_down,slave", "ok"),
            replica("3", "slave", "err"),
            Value::Nil,
        ]);
        assert_eq!(usable_replicas(&answer), [Endpoint::Tcp("::1".to_owned(), 1)]);
    }
}

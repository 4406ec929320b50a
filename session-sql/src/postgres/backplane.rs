//! Announcements, by way of `LISTEN` and `NOTIFY`.
//!
//! PostgreSQL delivers notifications in the order in which the transactions that sent them were
//! committed, and a transaction of ours sends them together with the change. An echo is such a
//! transaction too, so what comes back by it comes behind every change committed before.
//!
//! Heartbeats and the epoch are rows of a table that is logged like the sessions'. With one that is
//! not (`UNLOGGED`), a primary that waits for its lost standby in vain, and commits no change any
//! more, would still answer echoes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::{
    Backplane, Echoed, Entropy as _, Epoch, Error, ErrorKind, Event, Heartbeat, Key, Lane, NodeId,
    Order, OsEntropy, Subscription,
};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgListener, PgPoolOptions};
use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::{Postgres, announcement};
use crate::arguments::add;
use crate::engine::{Repeat, Shared};
use crate::error::Failure;
use crate::row;
use crate::table::TableName;

/// What a store says to others, and where it hears them.
pub(super) struct Announcements {
    pub(super) channel: String,
    /// The server itself, whatever calls go through. Without it nobody can be heard.
    listening: Option<PgConnectOptions>,
    echo: SqlStr,
    nodes: SqlStr,
}

impl Announcements {
    pub(super) fn new(table: &TableName, listening: Option<PgConnectOptions>) -> Self {
        let nodes = table.quoted('"', "_nodes");
        // One clock for all nodes, which is why it is the database's.
        let clock = "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT";
        let sql = |text: String| AssertSqlSafe(text).into_sql_str();
        Self {
            channel: announcement::channel(table),
            listening,
            // Whoever updates the row of node 0 holds it until the commit, so places rise in the
            // order of commits.
            echo: sql(format!(
                "WITH lane AS (INSERT INTO {nodes} AS old \
                 (node, sent, handled, place, seen_at, epoch) VALUES (0, 0, 0, 1, {clock}, $4) \
                 ON CONFLICT (node) DO UPDATE SET place = old.place + 1, seen_at = EXCLUDED.seen_at \
                 RETURNING epoch, place), \
                 beat AS (INSERT INTO {nodes} AS old (node, sent, handled, place, seen_at) \
                 SELECT $1, $2, $3, place, {clock} FROM lane ON CONFLICT (node) DO UPDATE \
                 SET sent = GREATEST(old.sent, EXCLUDED.sent), \
                 handled = GREATEST(old.handled, EXCLUDED.handled), \
                 place = EXCLUDED.place, seen_at = EXCLUDED.seen_at), \
                 swept AS (DELETE FROM {nodes} \
                 WHERE node NOT IN (0, $1) AND seen_at < {clock} - {FORGOTTEN}) \
                 SELECT epoch, place, pg_notify($5, $6) FROM lane"
            )),
            nodes: sql(format!(
                "SELECT node, sent, handled, place FROM {nodes} \
                 WHERE node <> 0 AND seen_at > {clock} - {HEARTBEAT_KEPT}"
            )),
        }
    }
}

/// How long a node is known that sends no more echoes, in ms.
const HEARTBEAT_KEPT: u64 = 120_000;
/// When its row goes, in ms.
const FORGOTTEN: u64 = 600_000;
/// How far a subscription may fall behind before it ends.
const BACKLOG: usize = 65_536;
/// There is one primary, and one lane.
const LANE: Lane = Lane(0);

/// How the stores on a table tell each other.
pub(super) struct PostgresBackplane {
    shared: Arc<Shared<Postgres>>,
}

impl PostgresBackplane {
    /// `None` if changes are not announced, or cannot be heard.
    pub(super) fn of(shared: &Arc<Shared<Postgres>>) -> Option<Self> {
        shared.dialect.announcements.as_ref()?.listening.as_ref()?;
        Some(Self { shared: Arc::clone(shared) })
    }

    async fn listen(&self, node: NodeId) -> Result<PostgresSubscription, Error> {
        let shared = &self.shared;
        let announcements = shared.dialect.announcements.as_ref();
        let Some((announcements, options)) = announcements
            .and_then(|announcements| Some((announcements, announcements.listening.as_ref()?)))
        else {
            return Err(Error::new(ErrorKind::Unsupported, "nobody can be heard"));
        };
        let changes = announcements.channel.clone();
        let echoes = announcement::echo_channel(&changes, node);
        let connecting = async {
            // Of one connection, and for this listener alone, which takes none but from a pool.
            let pool = PgPoolOptions::new()
                .max_connections(1)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_lazy_with(options.clone());
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.ignore_pool_close_event(true);
            // What was missed meanwhile would be missed in silence.
            listener.eager_reconnect(false);
            // Refused by a standby.
            listener.listen_all([changes.as_str(), echoes.as_str()]).await?;
            Ok(listener)
        };
        let patience = shared.timeout.max(CONNECTING);
        let listener = match timeout(patience, connecting).await {
            Ok(listener) => listener.map_err(|error: sqlx::Error| Failure::from(error).error)?,
            Err(_) => return Err(Error::new(ErrorKind::Timeout, "subscribing took too long")),
        };
        let (sender, events) = mpsc::channel(BACKLOG);
        let task = tokio::spawn(receive(listener, changes, sender)).abort_handle();
        Ok(PostgresSubscription { events, task })
    }
}

/// How long the making of a subscription may take at least.
const CONNECTING: Duration = Duration::from_millis(500);

/// Passes on what comes, in order, until the connection is lost or nobody keeps up.
async fn receive(mut listener: PgListener, changes: String, events: mpsc::Sender<Event>) {
    while let Ok(Some(notification)) = listener.try_recv().await {
        let message = notification.payload();
        let event = match notification.channel() == changes {
            true => announcement::decode(message),
            false => announcement::decode_echo(message),
        };
        // Whoever is so far behind starts again rather than believe that it is complete.
        if events.try_send(event.unwrap_or(Event::Unintelligible)).is_err() {
            return;
        }
    }
}

impl Postgres {
    /// A backplane is there only where there are some.
    fn announcements(&self) -> Result<&Announcements, Error> {
        self.announcements.as_ref().ok_or_else(strange)
    }

    async fn echo(
        &self,
        connection: &mut PgConnection,
        node: NodeId,
        number: u64,
        handled: u64,
    ) -> Result<Echoed, Failure> {
        let announcements = self.announcements()?;
        let mut fresh = [0; 8];
        OsEntropy.fill(&mut fresh)?;
        let mut arguments = PgArguments::default();
        add(&mut arguments, node.0.cast_signed())?;
        add(&mut arguments, number.cast_signed())?;
        add(&mut arguments, handled.cast_signed())?;
        add(&mut arguments, i64::from_be_bytes(fresh))?;
        add(&mut arguments, announcement::echo_channel(&announcements.channel, node))?;
        add(&mut arguments, number.to_string())?;
        let rows = self.rows(connection, &announcements.echo, arguments).await?;
        let Some(row) = rows.first() else { return Err(strange().into()) };
        // Anything may be written there by hand to say that all is different now.
        let epoch = row::column::<_, Option<i64>>(row, 0)?.unwrap_or_default();
        let place: i64 = row::column(row, 1)?;
        Ok(Echoed { epoch: Epoch(epoch.cast_unsigned()), order: Order(place.cast_unsigned()) })
    }

    async fn nudge(&self, connection: &mut PgConnection) -> Result<(), Failure> {
        let mut arguments = PgArguments::default();
        add(&mut arguments, self.announcements()?.channel.as_str())?;
        add(&mut arguments, announcement::NUDGE)?;
        let nudge = SqlStr::from_static("SELECT pg_notify($1, $2)");
        self.rows(connection, &nudge, arguments).await?;
        Ok(())
    }

    async fn nodes(&self, connection: &mut PgConnection) -> Result<Vec<Heartbeat>, Failure> {
        let nodes = &self.announcements()?.nodes;
        let rows = self.rows(connection, nodes, PgArguments::default()).await?;
        let heartbeat = |row| {
            let number = |index| row::column::<_, i64>(row, index).map(i64::cast_unsigned);
            let (sent, handled) = (number(1)?, number(2)?);
            Ok(Heartbeat { node: NodeId(number(0)?), sent, handled, order: Order(number(3)?) })
        };
        rows.iter().map(heartbeat).collect::<Result<_, Error>>().map_err(Failure::from)
    }
}

#[async_trait]
impl Backplane for PostgresBackplane {
    async fn lanes(&self) -> Result<Vec<Lane>, Error> {
        Ok(vec![LANE])
    }

    fn lane_of(&self, _: &Key) -> Option<Lane> {
        Some(LANE)
    }

    async fn subscribe(&self, _: Lane, node: NodeId) -> Result<Box<dyn Subscription>, Error> {
        let subscription = self.listen(node).await.map_err(|error| error.during("subscribe"))?;
        Ok(Box::new(subscription))
    }

    async fn echo(
        &self,
        _: Lane,
        node: NodeId,
        number: u64,
        handled: u64,
    ) -> Result<Echoed, Error> {
        let echoed =
            self.shared.run(&self.shared.writes, Repeat::Harmless, move |dialect, connection| {
                Box::pin(dialect.echo(connection, node, number, handled))
            });
        echoed.await.map_err(|error| error.during("echo"))
    }

    async fn nudge(&self, _: Lane) -> Result<(), Error> {
        let nudged =
            self.shared.run(&self.shared.writes, Repeat::Harmless, |dialect, connection| {
                Box::pin(dialect.nudge(connection))
            });
        nudged.await.map_err(|error| error.during("nudge"))
    }

    async fn nodes(&self, _: Lane) -> Result<Vec<Heartbeat>, Error> {
        let nodes =
            self.shared.run(&self.shared.writes, Repeat::Harmless, |dialect, connection| {
                Box::pin(dialect.nodes(connection))
            });
        nodes.await.map_err(|error| error.during("nodes"))
    }
}

fn strange() -> Error {
    Error::new(ErrorKind::Unavailable, "the database's answer is none that this call can have")
}

impl fmt::Debug for PostgresBackplane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channel = self.shared.dialect.announcements.as_ref().map(|to| &to.channel);
        f.debug_struct("PostgresBackplane").field("channel", &channel).finish()
    }
}

/// What one node hears.
#[derive(Debug)]
struct PostgresSubscription {
    events: mpsc::Receiver<Event>,
    task: AbortHandle,
}

#[async_trait]
impl Subscription for PostgresSubscription {
    async fn next(&mut self) -> Result<Event, Error> {
        self.events.recv().await.ok_or_else(|| {
            let message = "the subscription has ended: the connection was lost, or too far behind";
            Error::new(ErrorKind::Unavailable, message).during("next")
        })
    }
}

impl Drop for PostgresSubscription {
    fn drop(&mut self) {
        self.task.abort();
    }
}

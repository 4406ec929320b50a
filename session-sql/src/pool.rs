//! Connections, each lent to one operation at a time.
//!
//! The pool is `deadpool`'s. The one of sqlx asks the server for a sign of life behind every
//! statement, and waits for that without an end (launchbadge/sqlx#4349).

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool::managed::{
    Manager, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult,
};
use session_core::{Error, ErrorKind};
use sqlx::Connection as _;
use tokio::time::timeout;

use crate::dialect::{Access, Dialect};
use crate::error::{Condition, Failure};

/// The connections of one store for reads, or for writes, or for both.
pub(crate) struct Pool<D: Dialect> {
    connections: deadpool::managed::Pool<Connector<D>>,
}

impl<D: Dialect> Clone for Pool<D> {
    fn clone(&self) -> Self {
        Self { connections: self.connections.clone() }
    }
}

impl<D: Dialect> Pool<D> {
    /// Nothing is connected before it is asked for.
    pub(crate) fn new(
        dialect: Arc<D>,
        access: Access,
        max_connections: usize,
        timeout: Duration,
    ) -> Result<Self, Error> {
        // A call that finds a dead connection has time for another one.
        let patience = timeout / 4;
        let (doubted, left) = (Mutex::default(), Mutex::default());
        let connector = Connector { dialect, access, patience, doubted, left };
        deadpool::managed::Pool::builder(connector)
            .max_size(max_connections)
            // So that those which are not needed are left alone, and not all kept half busy.
            .queue_mode(QueueMode::Lifo)
            .build()
            .map(|connections| Self { connections })
            .map_err(|_| Error::new(ErrorKind::Misconfigured, "the pool cannot be made"))
    }

    pub(crate) async fn lend(&self) -> Result<Lent<D>, Failure> {
        match self.connections.get().await {
            Ok(connection) => Ok(Lent { connection: Some(connection), is_whole: false }),
            Err(PoolError::Backend(failure)) => Err(failure),
            Err(_) => {
                let message = "there is no connection to be had";
                Err(Failure::refused(Error::new(ErrorKind::Unavailable, message)))
            }
        }
    }

    /// Lets go of all connections that there are; of those in use, when they come back.
    pub(crate) fn leave(&self) {
        *lock(&self.connections.manager().left) = Some(Instant::now());
        self.connections.retain(|_, _| false);
    }
}

/// A connection in the middle of something. Dropped there, by a deadline or with the runtime, it is
/// closed: what was asked may still be answered, and must not be taken for another answer; what
/// was begun is rolled back by the server (launchbadge/sqlx#4385, #4393).
pub(crate) struct Lent<D: Dialect> {
    /// There until this is dropped.
    connection: Option<Object<Connector<D>>>,
    is_whole: bool,
}

impl<D: Dialect> Lent<D> {
    /// The operation is over, and the connection can serve another one.
    pub(crate) fn give_back(mut self) {
        self.is_whole = !self.is_left();
    }

    /// Whether it is one of those that are to be let go of.
    fn is_left(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| {
            let created = Object::metrics(connection).created;
            Object::pool(connection).is_some_and(|pool| pool.manager().has_left_since(created))
        })
    }
}

impl<D: Dialect> Deref for Lent<D> {
    type Target = D::Connection;

    fn deref(&self) -> &Self::Target {
        self.connection.as_ref().expect("there until this is dropped")
    }
}

impl<D: Dialect> DerefMut for Lent<D> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.connection.as_mut().expect("there until this is dropped")
    }
}

impl<D: Dialect> Drop for Lent<D> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.is_whole
        {
            // Closes it, and makes room for another one.
            drop(Object::take(connection));
        }
    }
}

struct Connector<D> {
    dialect: Arc<D>,
    access: Access,
    /// How long to wait for a sign of life.
    patience: Duration,
    /// When one did not come. What was not used since then is probably as dead.
    doubted: Mutex<Option<Instant>>,
    /// When all connections were to be let go of that there were.
    left: Mutex<Option<Instant>>,
}

/// For how long a connection that was sound is taken to be.
const TRUSTED: Duration = Duration::from_secs(1);

impl<D> Connector<D> {
    /// Whether all connections of that moment were to be let go of.
    fn has_left_since(&self, moment: Instant) -> bool {
        *lock(&self.left) > Some(moment)
    }
}

impl<D: Dialect> Manager for Connector<D> {
    type Type = D::Connection;
    type Error = Failure;

    async fn create(&self) -> Result<D::Connection, Failure> {
        loop {
            let begun = Instant::now();
            let connection = self.dialect.connect(self.access).await?;
            // It may lead to the server that was left meanwhile.
            if !self.has_left_since(begun) {
                return Ok(connection);
            }
        }
    }

    /// Asks for a sign of life after a pause alone: under load that would be one more round trip
    /// for each operation.
    async fn recycle(
        &self,
        connection: &mut D::Connection,
        metrics: &Metrics,
    ) -> RecycleResult<Failure> {
        if self.has_left_since(metrics.created) {
            return Err(RecycleError::message("others led to a server that was left"));
        }
        let idle = metrics.last_used();
        if idle < TRUSTED {
            return Ok(());
        }
        let last_used = Instant::now().checked_sub(idle);
        if *lock(&self.doubted) > last_used {
            return Err(RecycleError::message("the server was silent since"));
        }
        match timeout(self.patience, connection.ping()).await {
            Ok(Ok(())) => Ok(()),
            _ => {
                *lock(&self.doubted) = Some(Instant::now());
                Err(RecycleError::message("the server is silent"))
            }
        }
    }
}

/// What is behind this lock is whole at any moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<D: Dialect> Pool<D> {
    /// What a failure means for the connections: this one, and those to the same server.
    pub(crate) fn settle(&self, lent: Lent<D>, condition: Condition) {
        match condition {
            Condition::Sound => lent.give_back(),
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            Condition::Closed => drop(lent),
            // What is found out late says nothing of connections that were made since.
            Condition::Unsuitable | Condition::Lost if lent.is_left() => drop(lent),
            Condition::Unsuitable | Condition::Lost => {
                drop(lent);
                self.leave();
            }
        }
    }
}

//! The store contract over any dialect: deadlines, second attempts, and what is done by itself.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{self, BoxFuture, FutureExt as _};
use session_core::{
    Backplane, Clock, Created, Error, ErrorKind, Key, Load, Loaded, Qualities, Record, Replaced,
    Revision, Store, SubjectIndex, Timestamp, Touch, Touched,
};
use tokio::sync::OnceCell;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::dialect::{Alive, Dialect};
use crate::error::{Condition, Failure, Outcome};
use crate::pool::Pool;
use crate::sweeper::Sweeper;

/// A store on a database of this dialect.
pub(crate) struct Engine<D: Dialect> {
    pub(crate) shared: Arc<Shared<D>>,
}

/// What the handles of a store, its operations and its sweeper share.
pub(crate) struct Shared<D: Dialect> {
    pub(crate) dialect: Arc<D>,
    pub(crate) reads: Pool<D>,
    pub(crate) writes: Pool<D>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timeout: Duration,
    /// Set once the tables are known to be there; at once if that is somebody else's business.
    pub(crate) migrated: OnceCell<()>,
    /// The last attempt at bringing them up to date, and its task.
    pub(crate) migrating: Mutex<Option<(Migrating, AbortHandle)>>,
    pub(crate) sweep_every: Option<Duration>,
    pub(crate) sweeper: Sweeper,
}

/// An attempt at bringing the tables up to date, for all who wait for it.
pub(crate) type Migrating = future::Shared<BoxFuture<'static, Result<(), Error>>>;

/// An operation on a connection, which may be attempted again.
type Attempt<'c, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'c>>;

/// Whether an operation may be executed twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// That does no harm.
    Harmless,
    /// Only if it was not executed for certain.
    Conditional,
}

/// How long bringing the tables up to date may take: longer than any call waits for it.
const MIGRATION: Duration = Duration::from_secs(60);
/// Between two attempts, where others were about the same: from this to four times as long.
const PAUSE: Duration = Duration::from_millis(1);

impl<D: Dialect> Shared<D> {
    /// Executes an operation in a task of its own: whoever waits for it may go away at any moment, and
    /// the operation still ends as a whole, with its connection in order.
    pub(crate) async fn run<T, F>(
        self: &Arc<Self>,
        pool: &Pool<D>,
        repeat: Repeat,
        operation: F,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c D, &'c mut D::Connection) -> Attempt<'c, T> + Send + Sync + 'static,
    {
        self.run_until(self.deadline(), pool, repeat, operation).await
    }

    /// When a call that begins now has to be answered.
    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// As [`run`](Self::run), for what is a part of a call.
    async fn run_until<T, F>(
        self: &Arc<Self>,
        until: Instant,
        pool: &Pool<D>,
        repeat: Repeat,
        operation: F,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c D, &'c mut D::Connection) -> Attempt<'c, T> + Send + Sync + 'static,
    {
        self.keep_sweeping();
        let (shared, pool) = (Arc::clone(self), pool.clone());
        let task = tokio::spawn(async move {
            shared.wait_for_migration(until).await?;
            shared.attempt_until(until, &pool, repeat, &operation).await
        });
        task.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Unavailable, "the operation was ended with its runtime"))
        })
    }

    async fn attempt_until<T, F>(
        &self,
        until: Instant,
        pool: &Pool<D>,
        repeat: Repeat,
        operation: &F,
    ) -> Result<T, Error>
    where
        T: Send,
        F: for<'c> Fn(&'c D, &'c mut D::Connection) -> Attempt<'c, T> + Sync,
    {
        let mut is_first = true;
        loop {
            let Ok(attempt) = timeout_at(until, self.attempt(pool, operation)).await else {
                let message = "the database did not answer in time";
                return Err(Error::new(ErrorKind::Timeout, message));
            };
            let failure = match attempt {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let again = match failure.outcome {
                Outcome::Contended => true,
                Outcome::NotExecuted => is_first,
                Outcome::Unknown => is_first && repeat == Repeat::Harmless,
                Outcome::Refused | Outcome::Taken => false,
            };
            let pause = pause();
            if !again || Instant::now() + pause >= until {
                return Err(failure.error);
            }
            is_first = false;
            sleep(pause).await;
        }
    }

    async fn attempt<T, F>(&self, pool: &Pool<D>, operation: &F) -> Result<T, Failure>
    where
        T: Send,
        F: for<'c> Fn(&'c D, &'c mut D::Connection) -> Attempt<'c, T> + Sync,
    {
        let mut lent = pool.lend().await?;
        let answer = operation(&self.dialect, &mut lent).await;
        let condition =
            answer.as_ref().err().map_or(Condition::Sound, |failure| failure.connection);
        pool.settle(lent, condition);
        answer
    }

    /// Brings the tables up to date now, whoever should have done so.
    pub(crate) async fn migrate_now(self: &Arc<Self>) -> Result<(), Error> {
        self.migrate().await?;
        // Whoever is about the same meanwhile says so itself.
        let _ = self.migrated.set(());
        Ok(())
    }

    /// Brings the tables up to date, however often that fails before. A deadline of a call does
    /// not end what all the others wait for.
    async fn wait_for_migration(self: &Arc<Self>, until: Instant) -> Result<(), Error> {
        if self.migrated.initialized() {
            return Ok(());
        }
        let migrated = timeout_at(until, self.migration()).await;
        migrated.unwrap_or_else(|_| {
            let message = "the tables are still being brought up to date";
            Err(Error::new(ErrorKind::Timeout, message))
        })
    }

    /// The attempt that is going on, or else a new one: those who wait for it fail together, and
    /// do not try one after the other.
    fn migration(self: &Arc<Self>) -> Migrating {
        let mut last = self.migrating.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((migrating, task)) = &*last
            && !task.is_finished()
        {
            return migrating.clone();
        }
        let shared = Arc::clone(self);
        let task = tokio::spawn(async move {
            shared.migrated.get_or_try_init(|| shared.migrate()).await.copied()
        });
        let handle = task.abort_handle();
        let ended = "the migration was ended with its runtime";
        let migrating = async move {
            task.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Unavailable, ended)))
        };
        let migrating = migrating.boxed().shared();
        *last = Some((migrating.clone(), handle));
        migrating
    }

    async fn migrate(&self) -> Result<(), Error> {
        let migration = async {
            loop {
                match self.attempt_to_migrate().await {
                    // Another node is about the same.
                    Err(Failure { outcome: Outcome::Contended, .. }) => sleep(pause()).await,
                    migrated => return migrated,
                }
            }
        };
        let migrated = timeout(MIGRATION, migration).await.unwrap_or_else(|_| {
            let message = "bringing the tables up to date took too long";
            Err(Error::new(ErrorKind::Timeout, message).into())
        });
        migrated.map_err(|failure| failure.error.during("migrate"))
    }

    async fn attempt_to_migrate(&self) -> Result<(), Failure> {
        // A connection is there as soon as for any call, or this begins anew.
        let lent = timeout(self.timeout, self.writes.lend()).await;
        let mut lent = lent.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, "the database did not answer in time").into())
        })?;
        // Closed afterwards, with the locks and the settings that this takes.
        self.dialect.migrate(&mut lent).await
    }

    fn keep_sweeping(self: &Arc<Self>) {
        if let Some(pause) = self.sweep_every {
            self.sweeper.ensure_running(self, pause);
        }
    }

    pub(crate) async fn purge_expired(self: &Arc<Self>, limit: usize) -> Result<usize, Error> {
        let now = self.clock.now();
        let purged = self.run(&self.writes, Repeat::Harmless, move |dialect, connection| {
            Box::pin(dialect.purge_expired(connection, limit, now))
        });
        purged.await.map_err(|error| error.during("purge_expired"))
    }

    /// What became of a session that was not at the expected revision: `None` once more if there
    /// is none.
    async fn contradiction(self: &Arc<Self>, key: Key, until: Instant) -> Result<Replaced, Error> {
        let now = self.clock.now();
        // Where writes go, and so behind the one that found nothing.
        let (writes, repeat) = (&self.writes, Repeat::Harmless);
        let found = self.run_until(until, writes, repeat, move |dialect, connection| {
            Box::pin(async move { dialect.load(connection, &key, None, now).await })
        });
        Ok(match found.await? {
            Loaded::Found { record, .. } => Replaced::Conflict(record),
            Loaded::Unchanged { .. } | Loaded::Absent => Replaced::Gone,
        })
    }
}

#[async_trait]
impl<D: Dialect> Store for Engine<D> {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        let (key, now) = (*key, self.shared.clock.now());
        let loaded =
            self.shared.run(&self.shared.reads, Repeat::Harmless, move |dialect, connection| {
                Box::pin(async move { dialect.load(connection, &key, load.known, now).await })
            });
        loaded.await.map_err(|error| error.during("load"))
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        let (key, now) = (*key, self.shared.clock.now());
        let record = Arc::new(record.clone());
        let created = self.shared.run(
            &self.shared.writes,
            Repeat::Conditional,
            move |dialect, connection| {
                let record = Arc::clone(&record);
                Box::pin(async move { create(dialect, connection, &key, &record, now).await })
            },
        );
        created.await.map_err(|error| error.during("create"))
    }

    async fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        let (key, now) = (*key, self.shared.clock.now());
        let record = Arc::new(record.clone());
        let until = self.shared.deadline();
        let replaced = self.shared.run_until(
            until,
            &self.shared.writes,
            Repeat::Conditional,
            move |dialect, connection| {
                let record = Arc::clone(&record);
                Box::pin(
                    async move { dialect.replace(connection, &key, &record, expected, now).await },
                )
            },
        );
        self.replaced(&key, replaced.await, until).await.map_err(|error| error.during("replace"))
    }

    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        let (from, to, now) = (*from, *to, self.shared.clock.now());
        let record = Arc::new(record.clone());
        let until = self.shared.deadline();
        let rotated = self.shared.run_until(
            until,
            &self.shared.writes,
            Repeat::Conditional,
            move |dialect, connection| {
                let record = Arc::clone(&record);
                Box::pin(async move {
                    rotate(dialect, connection, &from, &to, &record, expected, now).await
                })
            },
        );
        self.replaced(&from, rotated.await, until).await.map_err(|error| error.during("rotate"))
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        if touches.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.shared.clock.now();
        let each = Arc::new(once_each(touches));
        let asked = Arc::clone(&each);
        let alive =
            self.shared.run(&self.shared.writes, Repeat::Harmless, move |dialect, connection| {
                let asked = Arc::clone(&asked);
                Box::pin(async move { dialect.touch(connection, &asked, now).await })
            });
        let alive = alive.await.map_err(|error| error.during("touch"))?;
        let mut alive = match alive {
            Alive::All => return Ok(vec![Touched::Done; touches.len()]),
            Alive::These(keys) => keys,
        };
        alive.sort_unstable();
        let touched = touches.iter().map(|touch| match alive.binary_search(&touch.key) {
            Ok(_) => Touched::Done,
            Err(_) => Touched::Gone,
        });
        Ok(touched.collect())
    }

    async fn delete(&self, key: &Key) -> Result<bool, Error> {
        let (key, now) = (*key, self.shared.clock.now());
        // Deleting twice does no harm: that the second finds nothing is the lesser evil.
        let deleted =
            self.shared.run(&self.shared.writes, Repeat::Harmless, move |dialect, connection| {
                Box::pin(async move { dialect.delete(connection, &key, now).await })
            });
        deleted.await.map_err(|error| error.during("delete"))
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, Error> {
        self.shared.purge_expired(limit).await
    }

    async fn fence(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        Some(self)
    }

    fn backplane(&self) -> Option<Arc<dyn Backplane>> {
        D::backplane(&self.shared)
    }

    fn qualities(&self) -> Qualities {
        Qualities::NONE.durable().shared()
    }
}

impl<D: Dialect> Engine<D> {
    async fn replaced(
        &self,
        key: &Key,
        replaced: Result<Option<Revision>, Error>,
        until: Instant,
    ) -> Result<Replaced, Error> {
        match replaced? {
            Some(revision) => Ok(Replaced::Replaced(revision)),
            None => self.shared.contradiction(*key, until).await,
        }
    }
}

/// What has expired makes way. It may have done so meanwhile, and so there is a second attempt
/// whether or not there was something left to remove.
async fn create<D: Dialect>(
    dialect: &D,
    connection: &mut D::Connection,
    key: &Key,
    record: &Record,
    now: Timestamp,
) -> Result<Created, Failure> {
    let mut created = dialect.create(connection, key, record).await?;
    if created.is_none() {
        dialect.make_way(connection, key, now).await?;
        created = dialect.create(connection, key, record).await?;
    }
    Ok(created.map_or(Created::Duplicate, Created::Created))
}

/// As [`create`].
async fn rotate<D: Dialect>(
    dialect: &D,
    connection: &mut D::Connection,
    from: &Key,
    to: &Key,
    record: &Record,
    expected: Revision,
    now: Timestamp,
) -> Result<Option<Revision>, Failure> {
    match dialect.rotate(connection, from, to, record, expected, now).await {
        Err(Failure { outcome: Outcome::Taken, .. }) => {
            dialect.make_way(connection, to, now).await?;
            dialect.rotate(connection, from, to, record, expected, now).await
        }
        rotated => rotated,
    }
}

fn pause() -> Duration {
    PAUSE.mul_f64(1.0 + 3.0 * fastrand::f64())
}

/// Each session once, with the latest of its deadlines, in the order of keys: whoever locks several
/// locks them in that order.
fn once_each(touches: &[Touch]) -> Vec<Touch> {
    let mut each = touches.to_vec();
    each.sort_unstable_by_key(|touch| (touch.key, std::cmp::Reverse(touch.idle_deadline)));
    each.dedup_by_key(|touch| touch.key);
    each
}

/// No address, no password, nothing of a session.
impl<D: Dialect> fmt::Debug for Engine<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("timeout", &self.shared.timeout).finish_non_exhaustive()
    }
}

//! The contract between sessions and the stores that keep them.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::backplane::Backplane;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::key::Key;
use crate::record::{Record, Revision};
use crate::subject_index::SubjectIndex;

/// Keeps sessions.
///
/// # Contract
///
/// A store is a map from [`Key`] to [`Record`] in which every write is conditional. There is no
/// upsert: nothing but [`create`](Store::create) brings a key to life, and nothing brings one
/// back that was deleted, rotated away or has expired.
///
/// - **Expired is absent.** From the moment `min(idle_deadline, absolute_deadline)` on, every
///   method treats the record as if it were not there, whatever has been purged.
/// - **Absent is not an error, and an error is not absent.** A store that cannot tell answers
///   `Err`.
/// - **Acknowledged is visible.** A method that starts after another one returned sees its
///   effect, on every handle of the store and in every process that shares it.
/// - **Cancelled is before or after.** A call that is dropped, or fails with an
///   [unknown outcome](Error::is_outcome_unknown), has happened as a whole, will happen as a
///   whole, or has not happened. One that fails with
///   [`NotReplicated`](crate::ErrorKind::NotReplicated) has happened, and may be undone if the server
///   is lost; a create or rotation has then stored the revision after the one that was expected.
/// - **Records come back as given**, but for the revision, which the store assigns, and the idle
///   deadline, which touches move.
///
/// `session-testkit` holds a test for each clause; those that check a method are named at it.
/// Decorators keep the same contract and run the same tests, and forward every method: none has
/// a default that could be right for one store and wrong for another.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Reads a session.
    ///
    /// - missing or expired: [`Loaded::Absent`] (`load_absent`, `expired_is_absent`);
    /// - with [`Load::known`] equal to the stored revision, the answer is [`Loaded::Unchanged`],
    ///   and the payload need not travel (`load_known_revision`);
    /// - read from the primary unless [`Load::consistency`] allows less;
    /// - concurrent with a write: the state before or after it, whole (`concurrent_replaces`).
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error>;

    /// Writes a session that is not there yet.
    ///
    /// - present: [`Created::Duplicate`], nothing written (`create_never_overwrites`);
    /// - of two at once, one is [`Created::Duplicate`] (`concurrent_creates`);
    /// - present but expired: as if it were missing;
    /// - no room: [`ErrorKind::Full`](crate::ErrorKind::Full); no live session makes way.
    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error>;

    /// Writes a session if it is still at revision `expected`, in one atomic step.
    ///
    /// - at another revision: [`Replaced::Conflict`] with the current record, nothing written
    ///   (`replace_checks_the_revision`);
    /// - missing or expired: [`Replaced::Gone`], nothing written (`replace_never_creates`,
    ///   `expired_is_absent`);
    /// - of two at once, one is a conflict (`concurrent_replaces`); against a delete, the session
    ///   is dead in the end (`concurrent_delete_and_replace`).
    async fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error>;

    /// Moves a session to a new key with a new record, if it is still at revision `expected`, in
    /// one atomic step: there is no moment at which both keys are alive or both are dead.
    ///
    /// - missing, expired, or at another revision: as [`replace`](Store::replace), with neither
    ///   key touched (`rotate_checks_the_revision`, `rotate_never_creates`);
    /// - afterwards the old key is absent for every method (`rotate_moves_the_session`);
    /// - of two at once, one wins and one session is alive (`concurrent_rotates`,
    ///   `concurrent_rotate_and_replace`);
    /// - `to` is a key in the same partition, drawn at random; a store that finds it taken fails
    ///   without touching either (`rotate_never_overwrites`).
    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error>;

    /// Moves idle deadlines forward, without writing records: one answer for each touch, in the
    /// same order.
    ///
    /// - never backward, and never past the absolute deadline (`touch_only_extends`);
    /// - missing or expired: [`Touched::Gone`] (`touch_never_creates`, `expired_is_absent`);
    /// - no new revision, no announcement (`touch_keeps_the_revision`);
    /// - against a delete, the session is dead in the end (`concurrent_touch_and_delete`);
    /// - a cache may answer for a session that it vouches for, within the bound it proves, and pass
    ///   the touch on a moment later: its own handles see it at once, all others after a
    ///   [`flush`](Store::flush) (`flush_returns`).
    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error>;

    /// Removes a session, whatever its revision. True if it was there, alive.
    ///
    /// - idempotent (`delete_is_idempotent`);
    /// - announced even when it was not there, so that a cache which still holds it lets go.
    async fn delete(&self, key: &Key) -> Result<bool, Error>;

    /// Frees the room of up to `limit` expired sessions and tells how many it freed.
    ///
    /// Safe to call on every node at once; live sessions are untouched (`purge_is_bounded`).
    /// A store with native expiry has nothing to do and answers 0.
    async fn purge_expired(&self, limit: usize) -> Result<usize, Error>;

    /// Returns once no node will serve a state older than what was acknowledged before the call.
    ///
    /// At once for a store without caches in front; a caching decorator waits for the caches of
    /// other nodes (`fence_returns`).
    async fn fence(&self) -> Result<(), Error>;

    /// Returns once everything that was acknowledged before the call is with the store that holds
    /// the truth. For the end of a process.
    ///
    /// - at once for a store that keeps nothing back; a decorator that queues (touches,
    ///   write-behind) sends what it holds;
    /// - afterwards strong reads see all of it, on every handle (`flush_returns`);
    /// - after a failure or a cancelled call, what was not sent is still held.
    async fn flush(&self) -> Result<(), Error>;

    /// Sessions by subject, if this store keeps them so.
    fn subjects(&self) -> Option<&dyn SubjectIndex>;

    /// How this store announces changes, if it does.
    fn backplane(&self) -> Option<Arc<dyn Backplane>>;

    /// What this store promises beyond the contract.
    fn qualities(&self) -> Qualities;
}

/// How to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Load {
    /// The revision the caller holds already.
    pub known: Option<Revision>,
    /// How fresh the answer must be.
    pub consistency: Consistency,
}

impl Load {
    /// Asks only for what is newer than `revision`.
    #[must_use]
    pub const fn known(mut self, revision: Revision) -> Self {
        self.known = Some(revision);
        self
    }

    /// How fresh the answer must be.
    #[must_use]
    pub const fn consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = consistency;
        self
    }
}

/// How fresh an answer must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Consistency {
    /// A cache may answer, within the bound it proves. Without a cache, the same as `Strong`.
    #[default]
    Cached,
    /// The shared store itself answers, on its primary.
    Strong,
    /// A replica may answer, as far behind as it happens to be.
    Replica,
}

/// What [`Store::load`] found.
#[derive(Clone, Debug)]
pub enum Loaded {
    /// The session.
    Found {
        /// What is stored.
        record: Arc<Record>,
        /// Who answered.
        source: Source,
    },
    /// The session is alive, at the revision the caller knows.
    Unchanged {
        /// Which may have been moved by touches.
        idle_deadline: Timestamp,
    },
    /// There is no such session, or it has expired.
    Absent,
}

/// Who answered a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A cache of this node.
    Local,
    /// The store that holds the truth.
    Shared,
}

impl Source {
    /// In one word, stable for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Shared => "shared",
        }
    }
}

/// What [`Store::create`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// The session is stored, at this revision.
    Created(Revision),
    /// The key is taken; nothing was written.
    Duplicate,
}

/// What [`Store::replace`] or [`Store::rotate`] did.
#[derive(Clone, Debug)]
pub enum Replaced {
    /// The record is stored, at this revision.
    Replaced(Revision),
    /// The session is at another revision: here it is. Nothing was written.
    Conflict(Arc<Record>),
    /// There is no such session any more; nothing was written.
    Gone,
}

/// A session that was used, and until when that lets it live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Which session.
    pub key: Key,
    /// The idle deadline to move to.
    pub idle_deadline: Timestamp,
}

/// What [`Store::touch`] did to one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// The session lives until that deadline at least, or its absolute one.
    Done,
    /// There is no such session any more.
    Gone,
}

/// What a store promises beyond the contract. Each promise has a conformance test, which runs
/// for the stores that make it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Qualities {
    /// Sessions outlive the process that wrote them.
    pub durable: bool,
    /// Several processes see the same sessions.
    pub shared: bool,
    /// Expired sessions free their room without [`Store::purge_expired`].
    pub native_expiry: bool,
}

impl Qualities {
    /// No promise beyond the contract.
    pub const NONE: Self = Self { durable: false, shared: false, native_expiry: false };

    /// Promises that sessions outlive the process that wrote them.
    #[must_use]
    pub const fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Promises that several processes see the same sessions.
    #[must_use]
    pub const fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// Promises that expired sessions free their room by themselves.
    #[must_use]
    pub const fn native_expiry(mut self) -> Self {
        self.native_expiry = true;
        self
    }
}

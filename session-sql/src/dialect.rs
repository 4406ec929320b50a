//! What differs from database to database.

use std::future::Future;
use std::sync::Arc;

use session_core::{Backplane, Key, Loaded, Record, Revision, Subject, Timestamp, Touch};
use sqlx::Connection;

use crate::engine::Shared;
use crate::error::Failure;
use crate::row::Listed;

/// One kind of database: how it is connected to, and the contract in its SQL.
///
/// The text of every statement is made once, for a store and its table. Each of these is one
/// statement, or a few in an order in which stopping after any of them is harmless. `now` is
/// this node's, never the database's.
pub(crate) trait Dialect: Send + Sync + 'static {
    type Connection: Connection + Send + 'static;

    /// A connection that may be written to, or one for reads.
    fn connect(
        &self,
        access: Access,
    ) -> impl Future<Output = Result<Self::Connection, Failure>> + Send;

    /// How the store announces changes, if it can.
    fn backplane(shared: &Arc<Shared<Self>>) -> Option<Arc<dyn Backplane>>
    where
        Self: Sized;

    /// Makes the tables, or brings them up to date. Several nodes may do so at once. What is locked
    /// or set for that goes with the connection.
    fn migrate(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    fn load(
        &self,
        connection: &mut Self::Connection,
        key: &Key,
        known: Option<Revision>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Loaded, Failure>> + Send;

    /// `None` if the key is taken, be it by what has expired.
    fn create(
        &self,
        connection: &mut Self::Connection,
        key: &Key,
        record: &Record,
    ) -> impl Future<Output = Result<Option<Revision>, Failure>> + Send;

    /// Frees the room of a session if it has expired.
    fn make_way(
        &self,
        connection: &mut Self::Connection,
        key: &Key,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// `None` if there is no such session at that revision.
    fn replace(
        &self,
        connection: &mut Self::Connection,
        key: &Key,
        record: &Record,
        expected: Revision,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Revision>, Failure>> + Send;

    /// As [`replace`](Self::replace). Fails with [`Outcome::Taken`](crate::error::Outcome::Taken) if
    /// `to` is taken, be it by what has expired.
    fn rotate(
        &self,
        connection: &mut Self::Connection,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Revision>, Failure>> + Send;

    /// Which of the keys, each named once and in order, there are.
    fn touch(
        &self,
        connection: &mut Self::Connection,
        touches: &[Touch],
        now: Timestamp,
    ) -> impl Future<Output = Result<Alive, Failure>> + Send;

    fn delete(
        &self,
        connection: &mut Self::Connection,
        key: &Key,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;

    fn purge_expired(
        &self,
        connection: &mut Self::Connection,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<usize, Failure>> + Send;

    fn list(
        &self,
        connection: &mut Self::Connection,
        subject: &Subject,
        after: Option<&Key>,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<Listed, Failure>> + Send;
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "elsewhere one pool does"))]
    Read,
    Write,
}

/// Which sessions a touch found.
pub(crate) enum Alive {
    All,
    These(Vec<Key>),
}

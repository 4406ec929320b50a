//! Who is told what happens to sessions: their number, never whose they are.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::store::Source;

/// Is told of every [`SessionEvent`] of the [`Sessions`](crate::Sessions) it was
/// [given to](crate::SessionsBuilder::observer): to count them, say.
///
/// Called on the request's own way, after the store has answered and with no lock held: what takes
/// long belongs elsewhere. One that panics is logged, and keeps nothing from being saved or deleted.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use session_core::{Observer, SessionEvent, Sessions};
/// use session_memory::MemoryStore;
///
/// #[derive(Debug, Default)]
/// struct LogOuts(AtomicU64);
///
/// impl Observer for LogOuts {
///     fn observe(&self, event: SessionEvent) {
///         if matches!(event, SessionEvent::Destroyed(_)) {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), session_core::Error> {
/// let log_outs = Arc::new(LogOuts::default());
/// let sessions = Sessions::builder(MemoryStore::new()).observer(log_outs.clone()).build()?;
///
/// let session = sessions.open([]).load().await?;
/// session.insert("theme", &"dark")?;
/// session.commit().await?;
/// session.log_out();
/// session.commit().await?;
/// assert_eq!(log_outs.0.load(Ordering::Relaxed), 1);
/// # Ok(())
/// # }
/// ```
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Something has happened.
    fn observe(&self, event: SessionEvent);
}

/// What happened to a session. No event says to whose: there is no id in it, no subject, no name
/// of a field, no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionEvent {
    /// A request's session was read.
    Loaded(Source),
    /// A request came with the token of no live session: one that has expired or ended, or that
    /// never was.
    Absent,
    /// A session is stored and cannot be decoded by this node: damaged, or sealed by another key.
    Unreadable,
    /// A request came with something that is no token of these sessions.
    Rejected(Rejection),
    /// A session was stored for the first time.
    Created,
    /// A session was stored again under its id.
    Replaced,
    /// A session was given a new id, as by a log-in.
    Rotated,
    /// A session's idle deadline was moved.
    Touched,
    /// A live session was ended.
    Destroyed(Ending),
    /// What was to be saved found no session any more: its time was over.
    Expired,
    /// What was to be saved found no session any more: somebody else had ended it, or given it
    /// another id.
    Gone,
    /// A save found that another request had written.
    Conflict,
    /// A save is through after its log was replayed so many times on what others wrote.
    Replayed(usize),
    /// Something could not be done, because of an error of that kind. Those of an outage are
    /// [`Unavailable`](ErrorKind::Unavailable), [`Timeout`](ErrorKind::Timeout) and
    /// [`NotReplicated`](ErrorKind::NotReplicated).
    Failed(Stage, ErrorKind),
}

/// Why what a client presented is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejection {
    /// It has another form, or there are several that contradict each other.
    Malformed,
    /// It is not signed or encrypted by a key of the ring, or not any more.
    Unverified,
}

impl Rejection {
    /// In one `snake_case` word, stable for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unverified => "unverified",
        }
    }
}

/// Who ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// A request of its own: a log-out.
    Request,
    /// A call that named it among its subject's sessions, or all of them.
    Revoked,
    /// A log-in over the [limit](crate::SessionLimit).
    Limit,
}

impl Ending {
    /// In one `snake_case` word, stable for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Revoked => "revoked",
            Self::Limit => "limit",
        }
    }
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// A request's session was to be read.
    Load,
    /// What a request did was to be saved, or its session to be ended.
    Save,
    /// An idle deadline was to be moved. The request goes on without.
    Touch,
    /// A subject's sessions were to be listed, or some of them ended.
    Devices,
}

impl Stage {
    /// In one `snake_case` word, stable for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Save => "save",
            Self::Touch => "touch",
            Self::Devices => "devices",
        }
    }
}

/// All observers of an application's sessions. Mostly there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observers(Vec<Arc<dyn Observer>>);

impl Observers {
    pub(crate) fn add(&mut self, observer: Arc<dyn Observer>) {
        self.0.push(observer);
    }

    pub(crate) fn tell(&self, event: SessionEvent) {
        for observer in &self.0 {
            let told = catch_unwind(AssertUnwindSafe(|| observer.observe(event)));
            if let Err(panic) = told {
                tracing::error!(?event, "an observer of sessions has panicked");
                // What it panicked with may panic again when it is dropped.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(panic))).map_err(std::mem::forget);
            }
        }
    }

    pub(crate) fn failed(&self, stage: Stage, error: &Error) {
        self.tell(SessionEvent::Failed(stage, error.kind()));
    }
}

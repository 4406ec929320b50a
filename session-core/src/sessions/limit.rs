//! How many sessions a subject may have at once.

use std::cmp::Reverse;
use std::num::NonZeroUsize;

use super::Sessions;
use super::devices::{Found, ROUNDS};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::observer::{Ending, SessionEvent};
use crate::subject::Subject;

/// How many sessions a subject may have at once, and what becomes of a log-in over that.
///
/// Set with [`SessionsBuilder::session_limit`](crate::SessionsBuilder::session_limit), which says
/// what holds.
///
/// ```
/// use session_core::SessionLimit;
///
/// let limit = SessionLimit::evict_oldest(5)?;
/// assert_eq!(limit.sessions(), 5);
/// assert!(SessionLimit::refuse(0).is_err());
/// # Ok::<(), session_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionLimit {
    sessions: NonZeroUsize,
    over: Over,
}

/// What becomes of a log-in over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Over {
    EvictOldest,
    Refuse,
}

impl SessionLimit {
    /// A log-in over the limit ends the sessions that were signed in to the longest ago.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] for no sessions at all.
    pub fn evict_oldest(sessions: usize) -> Result<Self, Error> {
        Self::new(sessions, Over::EvictOldest)
    }

    /// A log-in over the limit fails with [`ErrorKind::LimitReached`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] for no sessions at all.
    pub fn refuse(sessions: usize) -> Result<Self, Error> {
        Self::new(sessions, Over::Refuse)
    }

    /// How many sessions a subject may have at once.
    pub const fn sessions(self) -> usize {
        self.sessions.get()
    }

    fn new(sessions: usize, over: Over) -> Result<Self, Error> {
        match NonZeroUsize::new(sessions) {
            Some(sessions) => Ok(Self { sessions, over }),
            None => {
                let reason = "a subject has one session at least, or nobody could sign in";
                Err(Error::misconfigured("sessions", sessions, reason))
            }
        }
    }

    fn reached(self) -> Error {
        let message = "this subject has as many sessions as it may have";
        Error::new(ErrorKind::LimitReached, message).with("limit", self.sessions)
    }
}

impl Sessions {
    /// Before a session becomes the subject's: fails if there is no room and none is to be made.
    /// `replaced` is about to end, and so in nobody's way.
    pub(crate) async fn expect_room(
        &self,
        limit: Option<SessionLimit>,
        subject: &Subject,
        replaced: Option<&Key>,
    ) -> Result<(), Error> {
        let Some(limit) = limit.filter(|limit| limit.over == Over::Refuse) else { return Ok(()) };
        let found = self.find_all(subject).await?;
        let others = found.iter().filter(|(key, _)| Some(key) != replaced);
        if others.count() >= limit.sessions() { Err(limit.reached()) } else { Ok(()) }
    }

    /// After a session has become the subject's, and before anybody is told: makes room for it,
    /// or fails if it has to end itself, which is left to the caller.
    ///
    /// Whoever looks after its own write sees all that were written before. So of any sessions
    /// that are too many, the one written last sees them all.
    pub(crate) async fn keep_limit(
        &self,
        limit: Option<SessionLimit>,
        subject: &Subject,
        own: &Key,
    ) -> Result<(), Error> {
        match limit {
            None => Ok(()),
            Some(limit @ SessionLimit { over: Over::EvictOldest, .. }) => {
                self.evict_oldest(subject, own, limit).await
            }
            Some(limit @ SessionLimit { over: Over::Refuse, .. }) => {
                let found = self.find_all(subject).await?;
                if !contains(&found, own) {
                    return Err(ended());
                }
                if found.len() > limit.sessions() { Err(limit.reached()) } else { Ok(()) }
            }
        }
    }

    /// Log-ins at the same moment choose the same victims, since the order is total; those that
    /// are among the newest for one of them are so for all.
    async fn evict_oldest(
        &self,
        subject: &Subject,
        own: &Key,
        limit: SessionLimit,
    ) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let mut newest = self.find_all(subject).await?;
            newest.sort_by_key(|(key, record)| {
                Reverse((record.authenticated_at, record.created_at, *key))
            });
            let victims = newest.split_off(newest.len().min(limit.sessions()));
            let mut all_were_there = true;
            for (victim, _) in victims.iter().filter(|(key, _)| key != own) {
                let ended = self.store().delete(victim).await?;
                if ended {
                    self.observers().tell(SessionEvent::Destroyed(Ending::Limit));
                }
                all_were_there &= ended;
            }
            if !contains(&newest, own) {
                return Err(ended());
            }
            if all_were_there {
                return Ok(());
            }
            // A victim that was not there has ended, or has a new id and is to be found again.
        }
        let message = "the sessions of this subject changed as fast as they were ended";
        Err(Error::new(ErrorKind::Conflict, message))
    }
}

fn contains(found: &Found, own: &Key) -> bool {
    found.iter().any(|(key, _)| key == own)
}

fn ended() -> Error {
    let message = "the session was ended while it was signed in to, as by newer log-ins";
    Error::new(ErrorKind::Gone, message)
}

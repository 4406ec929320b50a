//! A subject's sessions: listing them, and signing some of them out.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::Sessions;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::observer::{Ending, SessionEvent, Stage};
use crate::record::Record;
use crate::session::Session;
use crate::subject::{Device, Subject};

/// The public name of a session in its subject's list: 22 characters.
///
/// It opens nothing, and no token or key can be computed from it. It is looked up among one
/// subject's sessions only, so nobody can name somebody else's (compare better-auth
/// CVE-2025-71402). A rotation changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle([u8; 16]);

impl Handle {
    pub(crate) fn of(key: &Key) -> Self {
        let digest =
            Sha256::new().chain_update(b"session-kit handle").chain_update(key.digest()).finalize();
        let mut handle = [0; 16];
        handle.copy_from_slice(&digest[..16]);
        Self(handle)
    }

    /// Reads what [`Display`](fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut handle = [0; 16];
        let written = URL_SAFE_NO_PAD.decode_slice(text, &mut handle).ok()?;
        (written == handle.len()).then_some(Self(handle))
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// One of a subject's sessions.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its public name.
    pub handle: Handle,
    /// When it began.
    pub created_at: Timestamp,
    /// When its client last proved who it is.
    pub authenticated_at: Option<Timestamp>,
    /// When it was last used, to within the interval between two touches.
    pub last_seen_at: Timestamp,
    /// When it ends unless it is used.
    pub idle_deadline: Timestamp,
    /// When it ends whatever happens.
    pub absolute_deadline: Timestamp,
    /// On what device it is.
    pub device: Option<Arc<Device>>,
}

/// Sessions as they were listed.
pub(super) type Found = Vec<(Key, Arc<Record>)>;

/// Sessions read from the index at once.
const PAGE: usize = 256;

/// How often a subject's sessions are listed and deleted. A session that is rotated while it is
/// listed may be missed under both keys and shows up in the next round; more rounds than this
/// would be a race against somebody who keeps signing in.
pub(super) const ROUNDS: usize = 8;

/// # A subject's sessions
impl Sessions {
    /// All live sessions of a subject, oldest first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if the store keeps no index of subjects, and the store's own.
    pub async fn list(&self, subject: &Subject) -> Result<Vec<SessionInfo>, Error> {
        let found = self.watched(self.find_all(subject)).await?;
        let mut sessions: Vec<SessionInfo> =
            found.iter().map(|(key, record)| self.info(key, record)).collect();
        sessions.sort_by_key(|session| (session.created_at, session.handle.0));
        Ok(sessions)
    }

    /// Signs out one of a subject's sessions. False if the subject has no such session.
    ///
    /// # Errors
    ///
    /// As [`list`](Sessions::list).
    pub async fn revoke(&self, subject: &Subject, handle: Handle) -> Result<bool, Error> {
        self.watched(self.revoke_one(subject, handle)).await
    }

    /// Signs out all of a subject's sessions that were acknowledged before the call, and tells
    /// how many those were.
    ///
    /// # Errors
    ///
    /// As [`list`](Sessions::list). Some may have been signed out nevertheless.
    pub async fn revoke_all(&self, subject: &Subject) -> Result<usize, Error> {
        self.watched(self.revoke_except(subject, None)).await
    }

    /// Signs out all sessions of the subject of this session, but for this one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misuse`] if nobody is signed in, and as [`revoke_all`](Sessions::revoke_all).
    pub async fn revoke_others(&self, session: &Session) -> Result<usize, Error> {
        let Some(subject) = session.subject() else {
            return Err(Error::new(ErrorKind::Misuse, "nobody is signed in to this session"));
        };
        self.watched(self.revoke_except(&subject, session.key())).await
    }

    async fn revoke_one(&self, subject: &Subject, handle: Handle) -> Result<bool, Error> {
        let found = self.find_all(subject).await?;
        let Some((key, record)) = found.iter().find(|(key, _)| Handle::of(key) == handle) else {
            return Ok(false);
        };
        let ended = self.end(key, record).await?;
        if ended {
            self.observers().tell(SessionEvent::Destroyed(Ending::Revoked));
        }
        Ok(ended)
    }

    /// Tells the observers if this fails.
    async fn watched<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        work.await.inspect_err(|error| self.observers().failed(Stage::Devices, error))
    }

    async fn revoke_except(&self, subject: &Subject, spared: Option<Key>) -> Result<usize, Error> {
        let mut revoked = 0;
        for _ in 0..ROUNDS {
            let mut found = self.find_all(subject).await?;
            found.retain(|(key, _)| Some(*key) != spared);
            if found.is_empty() {
                return Ok(revoked);
            }
            for (key, _) in found {
                if self.store().delete(&key).await? {
                    revoked += 1;
                    self.observers().tell(SessionEvent::Destroyed(Ending::Revoked));
                }
            }
        }
        let message = "new sessions of this subject appeared as fast as others were signed out";
        Err(Error::new(ErrorKind::Conflict, message).during("revoke").with("revoked", revoked))
    }

    /// Ends a session as it was read, also if it has been given a new id since.
    pub(crate) async fn end(&self, key: &Key, record: &Record) -> Result<bool, Error> {
        if self.store().delete(key).await? {
            return Ok(true);
        }
        // It may have moved. Its successors are in its partition and began when it did.
        let (Some(subject), Some(_)) = (&record.subject, self.store().subjects()) else {
            return Ok(false);
        };
        let mut ended = false;
        for (successor, moved) in self.find_all(subject).await? {
            let is_its_own =
                successor.partition() == key.partition() && moved.created_at == record.created_at;
            ended |= is_its_own && self.store().delete(&successor).await?;
        }
        Ok(ended)
    }

    pub(super) async fn find_all(&self, subject: &Subject) -> Result<Found, Error> {
        let Some(index) = self.store().subjects() else {
            let message = "this store keeps no index of subjects";
            return Err(Error::new(ErrorKind::Unsupported, message).during("list"));
        };
        let mut found = Found::new();
        let mut after = None;
        loop {
            let page = index.list(subject, after.as_ref(), PAGE).await?;
            found.extend(page.sessions);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(found),
            }
        }
    }

    fn info(&self, key: &Key, record: &Record) -> SessionInfo {
        SessionInfo {
            handle: Handle::of(key),
            created_at: record.created_at,
            authenticated_at: record.authenticated_at,
            last_seen_at: record.last_seen_at(self.timeouts()),
            idle_deadline: record.idle_deadline,
            absolute_deadline: record.absolute_deadline,
            device: record.device.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Partition;

    #[test]
    fn a_handle_reads_back_and_tells_nothing_of_the_key() {
        let key = Key::from_parts(Partition::new([1, 2]), [7; 32]);
        let text = Handle::of(&key).to_string();
        assert_eq!(text.len(), 22);
        assert_eq!(Handle::parse(&text), Some(Handle::of(&key)));
        assert!(!key.to_string().contains(&text));
        for text in ["", "x", &text[1..], &format!("{text}A"), &key.to_string()] {
            assert_eq!(Handle::parse(text), None, "{text}");
        }
    }
}

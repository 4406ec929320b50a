//! Log-ins where a subject's sessions are limited.

use super::Attempt;
use crate::error::Error;
use crate::key::Key;
use crate::observer::{Ending, SessionEvent};
use crate::record::Record;
use crate::session::state::Base;
use crate::subject::Subject;

impl Attempt<'_> {
    /// Fails if this write would make one session too many of a subject's. Tells whose, if the
    /// session is going to be somebody's whose it was not.
    pub(super) async fn expect_room(&self, record: &Record) -> Result<Option<Subject>, Error> {
        let before = self.base.live().and_then(|live| live.record.subject.as_ref());
        let Some(subject) = record.subject.as_ref().filter(|subject| Some(*subject) != before)
        else {
            return Ok(None);
        };
        let replaced = match &self.base {
            Base::Unreadable(old) => Some(old),
            Base::Nothing | Base::Live(_) | Base::Dead => None,
        };
        let limit = self.settings().policy().session_limit;
        // What only log-ins do takes no room in what every save is.
        Box::pin(self.sessions().expect_room(limit, subject, replaced)).await?;
        Ok(Some(subject.clone()))
    }

    /// Sees to it that the session just written is not one too many of its subject's, or takes it
    /// back. Its token is nobody's until then.
    pub(super) async fn keep_limit(&mut self, subject: &Subject, key: &Key) -> Result<(), Error> {
        let sessions = self.sessions();
        let limit = self.settings().policy().session_limit;
        self.in_doubt = true;
        let mut kept = Box::pin(sessions.keep_limit(limit, subject, key)).await;
        if kept.is_err() {
            self.withdrawn = true;
            if self.base.live().is_some() {
                // Its successor, which is about to be taken back, has taken its place.
                self.tell(SessionEvent::Destroyed(Ending::Limit));
            }
            if !matches!(self.base, Base::Nothing) {
                self.base = Base::Dead;
            }
            // If this fails too, that is what to tell: the session may be alive.
            kept = sessions.store().delete(key).await.and(kept);
        }
        self.in_doubt = false;
        kept
    }
}

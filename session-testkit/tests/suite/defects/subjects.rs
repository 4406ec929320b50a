//! What is wrong with an index of subjects.

use std::sync::Arc;

use async_trait::async_trait;
use session_core::{Error, Key, Page, Record, Subject, SubjectIndex, Timestamp};

use crate::defects::{Broken, Defect};

#[async_trait]
impl SubjectIndex for Broken {
    async fn list(
        &self,
        subject: &Subject,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Page, Error> {
        let sees = |key: &Key, record: &Record, now: Timestamp| {
            let notes = self.notes();
            let same = |subject: &Subject, other: &Subject| match self.defect {
                Defect::ListsSimilar => {
                    subject.as_str().eq_ignore_ascii_case(other.as_str().trim_end())
                }
                _ => subject == other,
            };
            let hidden = match self.defect {
                Defect::IndexLosesUpdates => !notes.hidden.contains(key),
                Defect::IndexForgetsTouch => {
                    notes.first_deadlines.get(key).is_some_and(|deadline| *deadline <= now)
                }
                _ => notes.hidden.contains(key),
            };
            let behind = match self.defect {
                Defect::PagesOverlap => after.is_none_or(|after| key >= after),
                _ => after.is_none_or(|after| key > after),
            };
            let alive = !record.is_expired(now) || self.is(Defect::ListsExpired);
            let own = record.subject.as_ref().is_some_and(|other| same(other, subject));
            own && alive && behind && !hidden
        };
        Ok(self.inner.with(|state, now| {
            let own = state.sessions.iter().filter(|(key, record)| sees(key, record, now));
            let mut sessions: Vec<_> =
                own.map(|(key, record)| (*key, Arc::new(record.clone()))).take(limit + 1).collect();
            let more = sessions.len() > limit;
            let skipped = sessions.get(limit).map(|(key, _)| *key);
            sessions.truncate(limit);
            let last = sessions.last().map(|(key, _)| *key);
            let next = if self.is(Defect::PagesSkip) { skipped } else { last };
            Page { sessions, next: next.filter(|_| more) }
        }))
    }
}

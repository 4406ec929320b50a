//! Sessions by who is signed in.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Error;
use crate::key::Key;
use crate::record::Record;
use crate::subject::Subject;

/// Finds the sessions of a subject.
///
/// # Contract
///
/// - Every live session whose write with this subject was acknowledged before the call is
///   listed, at every crash point of the writer: a log-out everywhere must miss none
///   (`subjects_lists_every_session`, `subjects_follow_rotation`).
/// - Nothing is listed that is expired, deleted, or of another subject
///   (`subjects_lists_nothing_else`).
#[async_trait]
pub trait SubjectIndex: Send + Sync {
    /// The first `limit` live sessions of `subject` in the order of their keys, from behind
    /// `after` on. What is created during a walk over several pages may or may not be seen;
    /// what was there before and stays is seen exactly once (`subjects_pages`).
    async fn list(
        &self,
        subject: &Subject,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Page, Error>;
}

/// Part of a subject's sessions.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The sessions, by key. May be empty although there are more pages.
    pub sessions: Vec<(Key, Arc<Record>)>,
    /// Where the next page begins: behind this key. `None` after the last page.
    pub next: Option<Key>,
}

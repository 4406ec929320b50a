//! The sessions of a subject: an index of the same table.

use std::sync::Arc;

use async_trait::async_trait;
use session_core::{Error, Key, Page, Subject, SubjectIndex};

use crate::dialect::Dialect;
use crate::engine::{Engine, Repeat};

#[async_trait]
impl<D: Dialect> SubjectIndex for Engine<D> {
    async fn list(
        &self,
        subject: &Subject,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Page, Error> {
        let (subject, after, now) = (subject.clone(), after.copied(), self.shared.clock.now());
        let listed =
            self.shared.run(&self.shared.reads, Repeat::Harmless, move |dialect, connection| {
                let subject = subject.clone();
                Box::pin(async move {
                    dialect.list(connection, &subject, after.as_ref(), limit, now).await
                })
            });
        let listed = listed.await.map_err(|error| error.during("list"))?;
        // One that is not full is the last one.
        let next = if listed.rows < limit { None } else { listed.last };
        let sessions =
            listed.sessions.into_iter().map(|(key, record)| (key, Arc::new(record))).collect();
        Ok(Page { sessions, next })
    }
}

//! A store whose every failure names the clause that noticed it.

use std::fmt::Display;
use std::future::Future;
use std::panic::resume_unwind;
use std::sync::Arc;

use session_core::{
    Consistency, Created, Error, Key, Load, Loaded, Record, Replaced, Revision, Store, Subject,
    Timestamp, Touch, Touched,
};
use tokio::sync::Barrier;

use crate::harness::Harness;
use crate::sample;

/// More than any clause writes for one subject.
const MANY: usize = 1_000;

/// A store under a clause. The methods of the contract's names give the plain answer; those in
/// the participle (`created`, `replaced`, `found`) insist on success.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) store: Arc<dyn Store>,
    clause: &'static str,
}

impl Checked {
    /// The harness' store under `clause`, which is the function that calls this.
    pub(crate) fn of<C>(clause: C, harness: &dyn Harness) -> Self {
        Self { store: harness.store(), clause: clause_name(&clause) }
    }

    /// As [`of`](Self::of), but another process' handle, or this one's after a restart.
    pub(crate) async fn reopened<C>(clause: C, harness: &dyn Harness) -> Self {
        let clause = clause_name(&clause);
        match harness.reopen().await {
            Some(store) => Self { store, clause },
            None => panic!("{clause}: the store claims it, but the harness cannot reopen a store"),
        }
    }

    /// This store and, if it says that processes can share it, a handle of another process.
    pub(crate) async fn handles(&self, harness: &dyn Harness) -> Vec<Self> {
        let mut handles = vec![self.clone()];
        if self.store.qualities().shared
            && let Some(store) = harness.reopen().await
        {
            handles.push(Self { store, clause: self.clause });
        }
        handles
    }

    #[track_caller]
    pub(crate) fn fail(&self, message: impl Display) -> ! {
        panic!("{}: {message}", self.clause)
    }

    #[track_caller]
    pub(crate) fn assert(&self, holds: bool, message: impl Display) {
        if !holds {
            self.fail(message);
        }
    }

    /// Says why there is nothing to check: a clause that passes should not seem to have been
    /// checked if it was not.
    pub(crate) fn skip(&self, reason: &str) {
        eprintln!("{}: skipped, {reason}", self.clause);
    }

    /// The answer, if it is one: no clause provokes an error without saying so.
    #[track_caller]
    pub(crate) fn answer<T>(&self, call: &str, result: Result<T, Error>) -> T {
        match result {
            Ok(answer) => answer,
            Err(error) => match std::error::Error::source(&error) {
                Some(source) => self.fail(format_args!("{call} failed: {error}: {source}")),
                None => self.fail(format_args!("{call} failed: {error}")),
            },
        }
    }

    pub(crate) async fn load(&self, key: &Key, load: Load) -> Loaded {
        self.answer("load", self.store.load(key, load).await)
    }

    /// What is there, as a cache may tell.
    pub(crate) async fn find(&self, key: &Key) -> Option<Arc<Record>> {
        self.find_with(key, Load::default()).await
    }

    /// What is there, as the shared store tells.
    pub(crate) async fn find_strong(&self, key: &Key) -> Option<Arc<Record>> {
        self.find_with(key, Load::default().consistency(Consistency::Strong)).await
    }

    pub(crate) async fn find_with(&self, key: &Key, load: Load) -> Option<Arc<Record>> {
        match self.load(key, load).await {
            Loaded::Found { record, .. } => Some(record),
            Loaded::Absent => None,
            Loaded::Unchanged { .. } => {
                self.fail("load answered Unchanged, but the stored revision was not the known one")
            }
        }
    }

    pub(crate) async fn found(&self, key: &Key, when: &str) -> Arc<Record> {
        match self.find(key).await {
            Some(record) => record,
            None => self.fail(format_args!("{when}: load answered Absent for a live session")),
        }
    }

    pub(crate) async fn absent(&self, key: &Key, when: &str) {
        if let Some(record) = self.find(key).await.or(self.find_strong(key).await) {
            let revision = record.revision.get();
            self.fail(format_args!("{when}: load found a session, at revision {revision}"));
        }
    }

    /// Fails unless `key` holds what was `given`, at `revision`.
    pub(crate) async fn holds(&self, key: &Key, given: &Record, revision: Revision, when: &str) {
        self.same(&*self.found(key, when).await, given, revision, when);
    }

    #[track_caller]
    pub(crate) fn same(&self, found: &Record, given: &Record, revision: Revision, when: &str) {
        let columns = sample::differences(found, given);
        self.assert(columns.is_empty(), format_args!("{when}: not as it was written: {columns:?}"));
        let (found, revision) = (found.revision.get(), revision.get());
        let message = format!("{when}: at revision {found}, but {revision} was answered");
        self.assert(found == revision, message);
    }

    pub(crate) async fn create(&self, key: &Key, record: &Record) -> Created {
        self.answer("create", self.store.create(key, record).await)
    }

    pub(crate) async fn created(&self, key: &Key, record: &Record) -> Revision {
        match self.create(key, record).await {
            Created::Created(revision) => revision,
            Created::Duplicate => self.fail("create answered Duplicate for a key that was free"),
        }
    }

    pub(crate) async fn replace(&self, key: &Key, record: &Record, expected: Revision) -> Replaced {
        self.answer("replace", self.store.replace(key, record, expected).await)
    }

    pub(crate) async fn replaced(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Revision {
        match self.replace(key, record, expected).await {
            Replaced::Replaced(revision) => revision,
            other => {
                self.fail(format_args!("replace at the stored revision answered {}", name(&other)))
            }
        }
    }

    pub(crate) async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Replaced {
        self.answer("rotate", self.store.rotate(from, to, record, expected).await)
    }

    pub(crate) async fn rotated(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Revision {
        match self.rotate(from, to, record, expected).await {
            Replaced::Replaced(revision) => revision,
            other => {
                self.fail(format_args!("rotate at the stored revision answered {}", name(&other)))
            }
        }
    }

    pub(crate) async fn touch(&self, touches: &[Touch]) -> Vec<Touched> {
        let answers = self.answer("touch", self.store.touch(touches).await);
        let (asked, answered) = (touches.len(), answers.len());
        self.assert(
            asked == answered,
            format_args!("touch gave {answered} answers to {asked} touches"),
        );
        answers
    }

    pub(crate) async fn touch_one(&self, key: &Key, idle_deadline: Timestamp) -> Touched {
        self.touch(&[Touch { key: *key, idle_deadline }]).await[0]
    }

    pub(crate) async fn touched(&self, key: &Key, idle_deadline: Timestamp) {
        let answer = self.touch_one(key, idle_deadline).await;
        self.assert(answer == Touched::Done, "touch answered Gone for a live session");
    }

    pub(crate) async fn delete(&self, key: &Key) -> bool {
        self.answer("delete", self.store.delete(key).await)
    }

    pub(crate) async fn deleted(&self, key: &Key) {
        let was_there = self.delete(key).await;
        self.assert(was_there, "delete answered that a live session was not there");
    }

    pub(crate) async fn purge(&self, limit: usize) -> usize {
        let freed = self.answer("purge_expired", self.store.purge_expired(limit).await);
        self.assert(
            freed <= limit,
            format_args!("purge_expired({limit}) answered that it freed {freed}"),
        );
        freed
    }

    /// All sessions of `subject`; none if the store does not keep them so.
    pub(crate) async fn list(&self, subject: &Subject) -> Vec<(Key, Arc<Record>)> {
        let Some(index) = self.store.subjects() else { return Vec::new() };
        let mut sessions = Vec::new();
        let mut after = None;
        loop {
            let page = index.list(subject, after.as_ref(), MANY).await;
            let page = self.answer("list", page);
            sessions.extend(page.sessions);
            let Some(next) = page.next else { return sessions };
            let onward = after.is_none_or(|after| next > after);
            self.assert(onward, "list: the next page does not begin behind this one");
            after = Some(next);
        }
    }

    /// Fails unless every method but `create` treats `key` as absent, which was last at
    /// `revision`. A delete comes last: it might help.
    pub(crate) async fn dead(&self, key: &Key, revision: Revision, now: Timestamp, when: &str) {
        self.absent(key, when).await;
        let known = self.load(key, Load::default().known(revision)).await;
        let absent = matches!(known, Loaded::Absent);
        self.assert(absent, format_args!("{when}: load with a known revision found it alive"));

        let record = sample::record(now);
        let answer = self.replace(key, &record, revision).await;
        self.gone(&answer, &format!("{when}: replace"));

        let to = sample::key_beside(key);
        let answer = self.rotate(key, &to, &record, revision).await;
        self.gone(&answer, &format!("{when}: rotate"));
        self.absent(&to, &format!("{when}: the key that it was to be rotated to")).await;

        let answer = self.touch_one(key, record.idle_deadline).await;
        self.assert(answer == Touched::Gone, format_args!("{when}: touch answered Done"));
        self.absent(key, &format!("{when}, then replaced, rotated and touched")).await;

        let was_there = self.delete(key).await;
        self.assert(!was_there, format_args!("{when}: delete answered that it was there"));
        self.absent(key, &format!("{when}, then deleted")).await;
    }

    #[track_caller]
    pub(crate) fn gone(&self, answer: &Replaced, what: &str) {
        let gone = matches!(answer, Replaced::Gone);
        self.assert(gone, format_args!("{what} answered {}, not Gone", name(answer)));
    }

    #[track_caller]
    pub(crate) fn conflict(&self, answer: Replaced, what: &str) -> Arc<Record> {
        match answer {
            Replaced::Conflict(current) => current,
            other => self.fail(format_args!("{what} answered {}, not Conflict", name(&other))),
        }
    }
}

fn clause_name<C>(_clause: &C) -> &'static str {
    let path = std::any::type_name::<C>();
    path.rsplit("::").next().unwrap_or(path)
}

pub(crate) fn name(answer: &Replaced) -> &'static str {
    match answer {
        Replaced::Replaced(_) => "Replaced",
        Replaced::Conflict(_) => "Conflict",
        Replaced::Gone => "Gone",
    }
}

/// Runs tasks in parallel from one starting line and gives their answers in order.
///
/// # Panics
///
/// As the first of them that panics.
pub(crate) async fn together<T, F>(tasks: impl IntoIterator<Item = F> + Send) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<F> = tasks.into_iter().collect();
    let start = Arc::new(Barrier::new(tasks.len()));
    let running: Vec<_> = tasks
        .into_iter()
        .map(|task| {
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                start.wait().await;
                task.await
            })
        })
        .collect();
    let mut answers = Vec::with_capacity(running.len());
    for task in running {
        match task.await {
            Ok(answer) => answers.push(answer),
            Err(error) => resume_unwind(error.into_panic()),
        }
    }
    answers
}

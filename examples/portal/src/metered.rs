//! A store that measures another one.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use session_kit::{
    Backplane, Created, Error, ErrorKind, Key, Load, Loaded, Page, Qualities, Record, Replaced,
    Revision, Store, Subject, SubjectIndex, Touch, Touched,
};

/// Passes every call on to another store, and records how long it took and what came of it.
///
/// One histogram holds both: its count is the number of calls.
pub struct Metered {
    store: Arc<dyn Store>,
    durations: Histogram<f64>,
}

impl Metered {
    /// Measures `store`, in seconds, by `operation` and `outcome`.
    pub fn new(store: Arc<dyn Store>, durations: Histogram<f64>) -> Self {
        Self { store, durations }
    }

    async fn measure<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, Error>> + Send,
        outcome: impl FnOnce(&T) -> &'static str + Send,
    ) -> Result<T, Error> {
        let begun = Instant::now();
        let result = call.await;
        let outcome = match &result {
            Ok(value) => outcome(value),
            Err(error) => error.kind().as_str(),
        };
        self.durations.record(
            begun.elapsed().as_secs_f64(),
            &[KeyValue::new("operation", operation), KeyValue::new("outcome", outcome)],
        );
        result
    }
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metered").field(&self.store).finish()
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for Metered {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        self.measure("load", self.store.load(key, load), |loaded| match loaded {
            Loaded::Found { .. } => "found",
            Loaded::Unchanged { .. } => "unchanged",
            Loaded::Absent => "absent",
        })
        .await
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        self.measure("create", self.store.create(key, record), |created| match created {
            Created::Created(_) => "created",
            Created::Duplicate => "duplicate",
        })
        .await
    }

    async fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.measure("replace", self.store.replace(key, record, expected), replaced).await
    }

    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        self.measure("rotate", self.store.rotate(from, to, record, expected), replaced).await
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        self.measure("touch", self.store.touch(touches), |touched| {
            if touched.contains(&Touched::Done) { "done" } else { "gone" }
        })
        .await
    }

    async fn delete(&self, key: &Key) -> Result<bool, Error> {
        self.measure(
            "delete",
            self.store.delete(key),
            |deleted| {
                if *deleted { "deleted" } else { "absent" }
            },
        )
        .await
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, Error> {
        self.measure("purge_expired", self.store.purge_expired(limit), |_| "done").await
    }

    async fn fence(&self) -> Result<(), Error> {
        self.measure("fence", self.store.fence(), |()| "done").await
    }

    async fn flush(&self) -> Result<(), Error> {
        self.measure("flush", self.store.flush(), |()| "done").await
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        self.store.subjects().map(|_| self as &dyn SubjectIndex)
    }

    fn backplane(&self) -> Option<Arc<dyn Backplane>> {
        self.store.backplane()
    }

    fn qualities(&self) -> Qualities {
        self.store.qualities()
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl SubjectIndex for Metered {
    async fn list(
        &self,
        subject: &Subject,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Page, Error> {
        let Some(index) = self.store.subjects() else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "this store keeps no index of subjects",
            ));
        };
        self.measure("list", index.list(subject, after, limit), |_| "done").await
    }
}

fn replaced(replaced: &Replaced) -> &'static str {
    match replaced {
        Replaced::Replaced(_) => "replaced",
        Replaced::Conflict(_) => "conflict",
        Replaced::Gone => "gone",
    }
}

//! A store that tells how another one fares.

use std::sync::Arc;

use async_trait::async_trait;
use opentelemetry::StringValue;
use opentelemetry::metrics::Meter;
use session_core::{
    Backplane, Created, Error, ErrorKind, Key, Load, Loaded, Page, Qualities, Record, Replaced,
    Revision, Store, Subject, SubjectIndex, Touch, Touched,
};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::instruments::{Instruments, Operation, Outcome};

/// Passes every call on to another store, in a span of its own, and records how long it took and
/// what came of it.
///
/// The backplane is the other store's, unmeasured; its index of subjects is measured as `list`.
/// See the [module's documentation](super) for names and attributes.
///
/// # Performance impact
///
/// Two looks at the clock, one record of a histogram and one allocation for each call.
#[derive(Debug)]
pub struct Observed {
    store: Arc<dyn Store>,
    instruments: Instruments,
}

impl Observed {
    /// Observes `store`, which is a `backend` of that kind: `"redis"`, say.
    pub fn new(store: impl Store, backend: impl Into<StringValue>, meter: &Meter) -> Self {
        Self::shared(Arc::new(store), backend, meter)
    }

    /// As [`new`](Observed::new), for a store whose type is known only at run time.
    pub fn shared(store: Arc<dyn Store>, backend: impl Into<StringValue>, meter: &Meter) -> Self {
        Self { store, instruments: Instruments::new(backend.into(), meter) }
    }

    async fn measure<T>(
        &self,
        operation: Operation,
        span: Span,
        call: impl Future<Output = Result<T, Error>> + Send,
        outcome: impl FnOnce(&T) -> Outcome + Send,
    ) -> Result<T, Error> {
        let measurement = self.instruments.begin(operation, span.clone());
        let result = call.instrument(span).await;
        measurement.end(result.as_ref().map(outcome));
        result
    }
}

/// A span of a name of its own, so that none has to be looked up by a field.
macro_rules! span {
    ($name:literal, $observed:expr) => {
        tracing::debug_span!(
            $name,
            "session.backend" = $observed.instruments.backend.as_str(),
            "session.outcome" = Empty,
            "error.type" = Empty,
            "otel.status_code" = Empty,
        )
    };
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for Observed {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        let call = self.store.load(key, load);
        let outcome = |loaded: &Loaded| match loaded {
            Loaded::Found { .. } => Outcome::Found,
            Loaded::Unchanged { .. } => Outcome::Unchanged,
            Loaded::Absent => Outcome::Absent,
        };
        self.measure(Operation::Load, span!("session.store.load", self), call, outcome).await
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        let call = self.store.create(key, record);
        let outcome = |created: &Created| match created {
            Created::Created(_) => Outcome::Created,
            Created::Duplicate => Outcome::Duplicate,
        };
        self.measure(Operation::Create, span!("session.store.create", self), call, outcome).await
    }

    async fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        let call = self.store.replace(key, record, expected);
        self.measure(Operation::Replace, span!("session.store.replace", self), call, replaced).await
    }

    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        let call = self.store.rotate(from, to, record, expected);
        self.measure(Operation::Rotate, span!("session.store.rotate", self), call, replaced).await
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        let call = self.store.touch(touches);
        self.measure(Operation::Touch, span!("session.store.touch", self), call, touched).await
    }

    async fn delete(&self, key: &Key) -> Result<bool, Error> {
        let call = self.store.delete(key);
        let outcome = |deleted: &bool| if *deleted { Outcome::Deleted } else { Outcome::Absent };
        self.measure(Operation::Delete, span!("session.store.delete", self), call, outcome).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, Error> {
        let call = self.store.purge_expired(limit);
        let span = span!("session.store.purge_expired", self);
        let purged = self.measure(Operation::PurgeExpired, span, call, |_| Outcome::Done).await?;
        self.instruments.purged(purged);
        Ok(purged)
    }

    async fn fence(&self) -> Result<(), Error> {
        let call = self.store.fence();
        let span = span!("session.store.fence", self);
        self.measure(Operation::Fence, span, call, |()| Outcome::Done).await
    }

    async fn flush(&self) -> Result<(), Error> {
        let call = self.store.flush();
        let span = span!("session.store.flush", self);
        self.measure(Operation::Flush, span, call, |()| Outcome::Done).await
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
impl SubjectIndex for Observed {
    async fn list(
        &self,
        subject: &Subject,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Page, Error> {
        // Nobody is given this index unless there is one behind it.
        let Some(index) = self.store.subjects() else {
            let message = "this store keeps no index of subjects";
            return Err(Error::new(ErrorKind::Unsupported, message).during("list"));
        };
        let call = index.list(subject, after, limit);
        let span = span!("session.store.list", self);
        self.measure(Operation::List, span, call, |_| Outcome::Done).await
    }
}

fn replaced(replaced: &Replaced) -> Outcome {
    match replaced {
        Replaced::Replaced(_) => Outcome::Replaced,
        Replaced::Conflict(_) => Outcome::Conflict,
        Replaced::Gone => Outcome::Gone,
    }
}

#[expect(clippy::ptr_arg, reason = "what the store answers, as it is")]
fn touched(answers: &Vec<Touched>) -> Outcome {
    match (answers.contains(&Touched::Done), answers.contains(&Touched::Gone)) {
        (true, true) => Outcome::PartlyGone,
        (false, true) => Outcome::Gone,
        (_, false) => Outcome::Done,
    }
}

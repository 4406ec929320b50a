//! What an operation of a store is measured with.

use std::fmt;
use std::time::Instant;

use opentelemetry::metrics::{Counter, Histogram, Meter};
use opentelemetry::{KeyValue, StringValue};
use session_core::Error;
use tracing::Span;

/// Seconds: from a cache that answers to a store that does not.
const DURATIONS: &[f64] = &[
    0.000_005, 0.000_02, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 0.5, 1.0, 5.0,
];

#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Load,
    Create,
    Replace,
    Rotate,
    Touch,
    Delete,
    PurgeExpired,
    List,
    Fence,
    Flush,
}

impl Operation {
    const ALL: [(Self, &str); 10] = [
        (Self::Load, "load"),
        (Self::Create, "create"),
        (Self::Replace, "replace"),
        (Self::Rotate, "rotate"),
        (Self::Touch, "touch"),
        (Self::Delete, "delete"),
        (Self::PurgeExpired, "purge_expired"),
        (Self::List, "list"),
        (Self::Fence, "fence"),
        (Self::Flush, "flush"),
    ];
}

/// What came of an operation that did not fail.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Found,
    Unchanged,
    Absent,
    Created,
    Duplicate,
    Replaced,
    Conflict,
    Gone,
    PartlyGone,
    Deleted,
    Done,
    Cancelled,
}

impl Outcome {
    const ALL: [(Self, &str); 12] = [
        (Self::Found, "found"),
        (Self::Unchanged, "unchanged"),
        (Self::Absent, "absent"),
        (Self::Created, "created"),
        (Self::Duplicate, "duplicate"),
        (Self::Replaced, "replaced"),
        (Self::Conflict, "conflict"),
        (Self::Gone, "gone"),
        (Self::PartlyGone, "partly_gone"),
        (Self::Deleted, "deleted"),
        (Self::Done, "done"),
        (Self::Cancelled, "cancelled"),
    ];

    const fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// The instruments of one store.
pub(super) struct Instruments {
    pub(super) backend: StringValue,
    durations: Histogram<f64>,
    purged: Counter<u64>,
    /// Of each operation and outcome, put together once: a request makes none.
    attributes: Vec<[KeyValue; 3]>,
}

impl Instruments {
    pub(super) fn new(backend: StringValue, meter: &Meter) -> Self {
        let durations = meter.f64_histogram("session.store.operation.duration").with_unit("s");
        let durations = durations.with_description("Duration of calls of the session store");
        let purged = meter.u64_counter("session.store.purged").with_unit("{session}");
        let attributes = Operation::ALL.iter().flat_map(|(_, operation)| {
            let backend = &backend;
            let of = move |(_, outcome): &(Outcome, &'static str)| {
                attributes(backend, operation, outcome)
            };
            Outcome::ALL.iter().map(of)
        });
        Self {
            attributes: attributes.collect(),
            durations: durations.with_boundaries(DURATIONS.to_vec()).build(),
            purged: purged.with_description("Expired sessions whose room was freed").build(),
            backend,
        }
    }

    pub(super) fn purged(&self, sessions: usize) {
        if sessions > 0 {
            let backend = KeyValue::new("session.backend", self.backend.clone());
            self.purged.add(sessions as u64, &[backend]);
        }
    }

    /// Starts the clock. Unless the measurement is told what came of the operation, it was
    /// cancelled.
    pub(super) fn begin(&self, operation: Operation, span: Span) -> Measurement<'_> {
        Measurement { instruments: self, operation, span, begun: Instant::now(), ended: false }
    }
}

fn attributes(
    backend: &StringValue,
    operation: &'static str,
    outcome: &'static str,
) -> [KeyValue; 3] {
    [
        KeyValue::new("session.backend", backend.clone()),
        KeyValue::new("session.operation", operation),
        KeyValue::new("session.outcome", outcome),
    ]
}

impl fmt::Debug for Instruments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instruments").field("backend", &self.backend).finish_non_exhaustive()
    }
}

/// An operation under way.
pub(super) struct Measurement<'a> {
    instruments: &'a Instruments,
    operation: Operation,
    span: Span,
    begun: Instant,
    ended: bool,
}

impl Measurement<'_> {
    pub(super) fn end(mut self, outcome: Result<Outcome, &Error>) {
        self.ended = true;
        match outcome {
            Ok(outcome) => self.record(outcome),
            Err(error) => self.record_error(error),
        }
    }

    fn record(&self, outcome: Outcome) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let Instruments { durations, attributes, .. } = self.instruments;
        let place = self.operation as usize * Outcome::ALL.len() + outcome as usize;
        durations.record(seconds, &attributes[place]);
        self.span.record("session.outcome", outcome.as_str());
    }

    fn record_error(&self, error: &Error) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let kind = error.kind().as_str();
        let (_, operation) = Operation::ALL[self.operation as usize];
        let [backend, operation, outcome] =
            attributes(&self.instruments.backend, operation, "error");
        let attributes = [backend, operation, outcome, KeyValue::new("error.type", kind)];
        self.instruments.durations.record(seconds, &attributes);
        self.span.record("session.outcome", "error");
        self.span.record("error.type", kind);
        self.span.record("otel.status_code", "ERROR");
    }
}

impl Drop for Measurement<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.record(Outcome::Cancelled);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_the_places_of_what_they_name() {
        for (place, (operation, _)) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, place);
        }
        for (place, (outcome, word)) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!((outcome as usize, outcome.as_str()), (place, word));
        }
    }
}

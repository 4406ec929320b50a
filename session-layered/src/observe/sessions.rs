//! What happens to sessions, counted.

use std::fmt;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Meter};
use session_core::{ErrorKind, Observer, SessionEvent, Source};

/// Counts the events of sessions: give it to
/// [`SessionsBuilder::observer`](session_core::SessionsBuilder::observer).
///
/// Several kinds of session may share one, or have one each; under one meter their counts add up.
/// See the [module's documentation](super) for names and attributes.
pub struct SessionMetrics {
    loads: Counter<u64>,
    rejected: Counter<u64>,
    created: Counter<u64>,
    replaced: Counter<u64>,
    rotated: Counter<u64>,
    touched: Counter<u64>,
    destroyed: Counter<u64>,
    expired: Counter<u64>,
    gone: Counter<u64>,
    conflicts: Counter<u64>,
    replays: Counter<u64>,
    failures: Counter<u64>,
}

impl SessionMetrics {
    /// Counters of this meter.
    pub fn new(meter: &Meter) -> Self {
        let counter = |name, unit, description| {
            meter.u64_counter(name).with_unit(unit).with_description(description).build()
        };
        Self {
            loads: counter("session.loads", "{load}", "Sessions asked for, by what was found"),
            rejected: counter("session.tokens.rejected", "{token}", "What is no token"),
            created: counter("session.created", "{session}", "Sessions stored the first time"),
            replaced: counter("session.replaced", "{save}", "Saves under the same id"),
            rotated: counter("session.rotated", "{session}", "Sessions given a new id"),
            touched: counter("session.touched", "{session}", "Idle deadlines moved"),
            destroyed: counter("session.destroyed", "{session}", "Live sessions ended"),
            expired: counter("session.expired", "{session}", "Over when there was to be saved"),
            gone: counter("session.gone", "{session}", "Ended meanwhile by somebody else"),
            conflicts: counter("session.conflicts", "{conflict}", "Saves that others preceded"),
            replays: counter("session.replays", "{replay}", "Logs replayed before they were saved"),
            failures: counter("session.failures", "{failure}", "What could not be done"),
        }
    }

    fn load(&self, outcome: &'static str, source: Option<Source>) {
        let outcome = KeyValue::new("session.outcome", outcome);
        match source {
            Some(source) => {
                self.loads.add(1, &[outcome, KeyValue::new("session.source", source.as_str())]);
            }
            None => self.loads.add(1, &[outcome]),
        }
    }

    fn fail(&self, stage: &'static str, kind: ErrorKind) {
        let stage = KeyValue::new("session.stage", stage);
        self.failures.add(1, &[stage, KeyValue::new("error.type", kind.as_str())]);
    }
}

fn reason(word: &'static str) -> [KeyValue; 1] {
    [KeyValue::new("session.reason", word)]
}

impl Observer for SessionMetrics {
    fn observe(&self, event: SessionEvent) {
        match event {
            SessionEvent::Loaded(source) => self.load("found", Some(source)),
            SessionEvent::Absent => self.load("absent", None),
            SessionEvent::Unreadable => self.load("unreadable", None),
            SessionEvent::Rejected(why) => {
                self.load("rejected", None);
                self.rejected.add(1, &reason(why.as_str()));
            }
            SessionEvent::Created => self.created.add(1, &[]),
            SessionEvent::Replaced => self.replaced.add(1, &[]),
            SessionEvent::Rotated => self.rotated.add(1, &[]),
            SessionEvent::Touched => self.touched.add(1, &[]),
            SessionEvent::Destroyed(ending) => self.destroyed.add(1, &reason(ending.as_str())),
            SessionEvent::Expired => self.expired.add(1, &[]),
            SessionEvent::Gone => self.gone.add(1, &[]),
            SessionEvent::Conflict => self.conflicts.add(1, &[]),
            SessionEvent::Replayed(times) => self.replays.add(times as u64, &[]),
            SessionEvent::Failed(stage, kind) => {
                if stage == session_core::Stage::Load {
                    self.load("error", None);
                }
                self.fail(stage.as_str(), kind);
            }
            // An event of a later version of the core, which this one has no instrument for.
            _ => {}
        }
    }
}

impl fmt::Debug for SessionMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionMetrics(..)")
    }
}

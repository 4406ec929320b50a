//! What a node counts, as OpenTelemetry instruments.
//!
//! Counts are read when somebody collects them: a hit costs the same with a meter as without one.

use std::fmt;
use std::sync::{Arc, Weak};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};

use crate::node::Node;
use crate::stats::Stats;

/// A meter, which does not show itself.
#[derive(Clone)]
pub(crate) struct Metered(pub(crate) Meter);

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metered(..)")
    }
}

/// Seconds: from one process to another on one machine up to a lease.
const LAGS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.0,
];

/// What tells a count from others of the same instrument, as `session.cache.result`, and its value.
type Counted = (&'static str, fn(&Stats) -> u64);

/// The name, the unit and the description of an instrument, and its value.
type Single = (&'static str, &'static str, &'static str, fn(&Stats) -> u64);

const COUNTERS: &[Single] = &[
    ("session.cache.joined", "{read}", "Reads that shared another one's answer", |stats| {
        stats.joined
    }),
    ("session.cache.subscriptions", "{subscription}", "Subscriptions begun", |stats| {
        stats.subscriptions
    }),
    ("session.cache.epochs", "{epoch}", "Times that the shared store was another", |stats| {
        stats.other_epochs
    }),
    ("session.cache.echoes.failed", "{echo}", "Echoes that could not be sent", |stats| {
        stats.echoes_failed
    }),
    ("session.cache.risen", "{session}", "Removed sessions that came back", |stats| stats.risen),
];

const GAUGES: &[Single] = &[
    ("session.cache.entries", "{session}", "Sessions cached", |stats| stats.entries),
    ("session.cache.size", "By", "What they weigh", |stats| stats.bytes),
    ("session.cache.touches.waiting", "{touch}", "Not sent yet", |stats| stats.touches.waiting),
];

const READS: &[Counted] = &[
    ("hit", |stats| stats.hits),
    ("missed", |stats| stats.misses),
    ("unleased", |stats| stats.bypassed.unleased),
    ("emptied", |stats| stats.bypassed.emptied),
    ("moved", |stats| stats.bypassed.moved),
    ("due", |stats| stats.bypassed.due),
    ("strong", |stats| stats.bypassed.strong),
    ("stale", |stats| stats.stale),
];
const FILLS: &[Counted] =
    &[("stored", |stats| stats.filled), ("refused", |stats| stats.fill_refused)];
const CHANGES: &[Counted] = &[
    ("evicted", |stats| stats.evicted),
    ("unneeded", |stats| stats.unneeded),
    ("unintelligible", |stats| stats.unintelligible),
];
const TOUCHES: &[Counted] = &[
    ("queued", |stats| stats.touches.queued),
    ("sent", |stats| stats.touches.sent),
    ("gone", |stats| stats.touches.gone),
    ("lost", |stats| stats.touches.lost),
];

/// The name, the unit and the description of an instrument, and its counts.
type Several = (&'static str, &'static str, &'static str, &'static [Counted]);

const COUNTED: &[Several] = &[
    ("session.cache.reads", "{read}", "Reads, by what the cache did", READS),
    ("session.cache.fills", "{record}", "Records read or written", FILLS),
    ("session.cache.changes", "{change}", "Changes heard of", CHANGES),
    ("session.cache.touches", "{touch}", "Touches that could wait", TOUCHES),
];

impl Metered {
    pub(crate) fn observe(&self, node: &Arc<Node>) {
        let of = Arc::downgrade(node);
        for (name, unit, description, counted) in COUNTED {
            self.counter(name, unit, description, &of, counted);
        }
        for (name, unit, description, value) in COUNTERS {
            let (of, value) = (of.clone(), *value);
            let counter = self.0.u64_observable_counter(*name).with_unit(*unit);
            let counter = counter.with_description(*description);
            counter.with_callback(move |to| observe(&of, to, value)).build();
        }
        self.gauges(&of);
        let lags = self.0.f64_histogram("session.cache.invalidation.lag").with_unit("s");
        let lags = lags.with_description("From sending an echo to handling it");
        node.counters.record_lags(lags.with_boundaries(LAGS.to_vec()).build());
    }

    fn counter(
        &self,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        of: &Weak<Node>,
        counted: &'static [Counted],
    ) {
        let of = of.clone();
        let counter = self.0.u64_observable_counter(name).with_unit(unit);
        let counter = counter.with_description(description);
        let observe = move |to: &dyn AsyncInstrument<u64>| {
            let Some(node) = of.upgrade() else { return };
            let stats = node.stats();
            for (which, value) in counted {
                to.observe(value(&stats), &[KeyValue::new("session.cache.result", *which)]);
            }
        };
        counter.with_callback(observe).build();
    }

    fn gauges(&self, of: &Weak<Node>) {
        for (name, unit, description, value) in GAUGES {
            let (of, value) = (of.clone(), *value);
            let gauge = self.0.u64_observable_gauge(*name).with_unit(*unit);
            let gauge = gauge.with_description(*description);
            gauge.with_callback(move |to| observe(&of, to, value)).build();
        }
        self.lanes(of.clone());
        let of = of.clone();
        let lease = self.0.f64_observable_gauge("session.cache.lease").with_unit("s");
        let lease = lease.with_description("What is left of the shortest lease");
        let observe = move |to: &dyn AsyncInstrument<f64>| {
            if let Some(node) = of.upgrade() {
                to.observe(node.lease_left().as_secs_f64(), &[]);
            }
        };
        lease.with_callback(observe).build();
    }

    fn lanes(&self, of: Weak<Node>) {
        let lanes = self.0.u64_observable_gauge("session.cache.lanes").with_unit("{lane}");
        let lanes = lanes.with_description("Lanes of the backplane, by whether there is a lease");
        let observe = move |to: &dyn AsyncInstrument<u64>| {
            let Some(node) = of.upgrade() else { return };
            let (leased, unleased) = node.lanes_by_lease();
            for (state, count) in [("leased", leased), ("unleased", unleased)] {
                to.observe(count, &[KeyValue::new("session.cache.state", state)]);
            }
        };
        lanes.with_callback(observe).build();
    }
}

fn observe(of: &Weak<Node>, to: &dyn AsyncInstrument<u64>, value: fn(&Stats) -> u64) {
    if let Some(node) = of.upgrade() {
        to.observe(value(&node.stats()), &[]);
    }
}

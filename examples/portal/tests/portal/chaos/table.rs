//! How long other nodes' caches went on to answer what was before a change, under each fault.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use tokio::time::{Duration, Instant};

use super::checker::Violation;
use super::history::{Event, Operation, Outcome, Session, Source};
use super::run::{Phase, Run};

/// One line for each kind of fault, one for when there was none, and one for all.
pub(super) struct Table(BTreeMap<String, Line>);

#[derive(Debug, Default)]
struct Line {
    /// How often the fault was there.
    times: usize,
    /// Of each change, how long after its acknowledgement another node was last asked that answered
    /// what was before it from its cache; zero if none did.
    lags: Vec<Duration>,
    /// What reads were answered: a session from the cache or from the shared store, and how many of
    /// these were from before a change that had been acknowledged; that there is none; or that
    /// nobody can tell.
    local: Answers,
    shared: Answers,
    missing: usize,
    failed: usize,
    violations: usize,
}

#[derive(Debug, Default)]
struct Answers {
    all: usize,
    old: usize,
}

const CALM: &str = "(calm)";
const ALL: &str = "(all)";

impl Table {
    pub(super) fn new(run: &Run, violations: &[Violation]) -> Self {
        let mut lines = BTreeMap::<String, Line>::new();
        for phase in &run.phases {
            for name in [&phase.name, ALL] {
                lines.entry(name.to_owned()).or_default().times += 1;
            }
        }
        let mut add = |from, to, add: &dyn Fn(&mut Line)| {
            for name in [phase_between(&run.phases, from, to), ALL] {
                add(lines.entry(name.to_owned()).or_default());
            }
        };
        for (change, lag) in lags(&run.events) {
            // What goes wrong while it may still be unknown elsewhere counts as well.
            add(change.ended, change.ended + run.bound, &|line| line.lags.push(lag));
        }
        let promises = by_session(&run.events, Event::is_promise);
        for event in run.events.iter().filter(|event| event.operation == Operation::Read) {
            let known = promises.get(&event.session).into_iter().flatten();
            let is_old = known
                .copied()
                .any(|promise| promise.ended < event.begun && event.is_from_before(promise));
            add(event.begun, event.ended, &|line| match (event.outcome, event.source) {
                (Outcome::Unknown, _) => line.failed += 1,
                (Outcome::Missing, _) | (_, Source::None) => line.missing += 1,
                (_, Source::Local) => line.local.add(is_old),
                (_, Source::Shared) => line.shared.add(is_old),
            });
        }
        for Violation { promised, contradicted, .. } in violations {
            add(promised.ended, contradicted.ended, &|line| line.violations += 1);
        }
        for line in lines.values_mut() {
            line.lags.sort_unstable();
        }
        Self(lines)
    }
}

/// The first fault that there was in this time.
fn phase_between(phases: &[Phase], from: Instant, to: Instant) -> &str {
    let overlaps = |phase: &&Phase| phase.begun <= to && phase.ended >= from;
    phases.iter().find(overlaps).map_or(CALM, |phase| &phase.name)
}

fn by_session(events: &[Event], is_so: impl Fn(&Event) -> bool) -> HashMap<Session, Vec<&Event>> {
    let mut of_session = HashMap::<Session, Vec<&Event>>::new();
    for event in events.iter().filter(|event| is_so(event)) {
        of_session.entry(event.session).or_default().push(event);
    }
    of_session
}

fn lags(events: &[Event]) -> Vec<(Event, Duration)> {
    let cached = by_session(events, |event| {
        event.operation == Operation::Read && event.source == Source::Local
    });
    let lag = |change: &Event| {
        let answers = cached.get(&change.session).into_iter().flatten();
        let old =
            answers.filter(|answer| answer.node != change.node && answer.is_from_before(change));
        let last = old.map(|answer| answer.begun).max();
        last.map_or(Duration::ZERO, |last| last.saturating_duration_since(change.ended))
    };
    let changes =
        events.iter().filter(|event| event.is_promise() && event.operation != Operation::Begin);
    changes.map(|change| (*change, lag(change))).collect()
}

impl Answers {
    fn add(&mut self, is_old: bool) {
        self.all += 1;
        self.old += usize::from(is_old);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<28} {:>5} {:>7}", "", "times", "changes")?;
        write!(f, " {:>8} {:>8} {:>8}", "p50 ms", "p99 ms", "max ms")?;
        write!(f, " {:>7} {:>5} {:>7} {:>5}", "local", "old", "shared", "old")?;
        write!(f, " {:>7} {:>7}", "missing", "failed")?;
        writeln!(f, " {:>10}", "violations")?;
        for (name, line) in &self.0 {
            write!(f, "{name:<28} {:>5} {:>7}", line.times, line.lags.len())?;
            for share in [50, 99, 100] {
                let index = line.lags.len().saturating_sub(1) * share / 100;
                let lag = line.lags.get(index).copied().unwrap_or_default();
                write!(f, " {:>8.1}", lag.as_secs_f64() * 1_000.0)?;
            }
            let Line { local, shared, missing, failed, violations, .. } = line;
            for Answers { all, old } in [local, shared] {
                write!(f, " {all:>7} {old:>5}")?;
            }
            write!(f, " {missing:>7} {failed:>7}")?;
            writeln!(f, " {violations:>10}")?;
        }
        Ok(())
    }
}

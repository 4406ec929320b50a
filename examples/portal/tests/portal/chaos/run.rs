//! A load, and one fault after another.

use std::collections::BTreeMap;

use fastrand::Rng;
use tokio::time::{Duration, Instant, sleep};

use super::checker::{Promise, Violation, check};
use super::faults::Kind;
use super::history::{Event, Source};
use super::load::Load;
use super::site::{Settings, Site};
use super::table::Table;
use crate::client::Client;
use crate::patience::until_within;

/// What has happened.
pub(super) struct Run {
    pub(super) events: Vec<Event>,
    pub(super) phases: Vec<Phase>,
    pub(super) bound: Duration,
}

/// A fault, from its beginning until every node has recovered from it.
#[derive(Clone, Debug)]
pub(super) struct Phase {
    pub(super) name: String,
    pub(super) begun: Instant,
    pub(super) ended: Instant,
}

/// How soon every node answers from its cache again, on a machine that has other things to do.
const RECOVERY: Duration = Duration::from_secs(30);

/// Between two faults: longer than it may take until a change is known everywhere.
const CALM: Duration = Duration::from_millis(500);

/// The seed of a run, which may be given as `CHAOS_SEED`.
pub(super) fn seed() -> u64 {
    let given = std::env::var("CHAOS_SEED").ok();
    let seed = given.map(|seed| seed.parse().expect("CHAOS_SEED is a number"));
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("CHAOS_SEED={seed}");
    seed
}

/// Each of these faults so many times, in any order.
pub(super) fn shuffled(kinds: &[Kind], times: usize, seed: u64) -> Vec<Kind> {
    let mut rng = Rng::with_seed(seed);
    let mut plan = Vec::new();
    for _ in 0..times {
        let mut round = kinds.to_vec();
        rng.shuffle(&mut round);
        plan.append(&mut round);
    }
    plan
}

pub(super) async fn run(settings: Settings<'_>, plan: &[Kind], seed: u64) -> Run {
    let mut rng = Rng::with_seed(seed);
    let site = Site::start(settings).await;
    let mut tracked = Tracked::start(site.clients(), settings.bound, seed).await;
    for kind in plan {
        let begun = Instant::now();
        kind.strike(&site, tracked.load.history(), &mut rng).await;
        tracked.recovered(kind.to_string(), begun).await;
    }
    tracked.stop().await
}

/// A load whose recovery from faults is written down.
pub(super) struct Tracked {
    pub(super) load: Load,
    nodes: usize,
    bound: Duration,
    phases: Vec<Phase>,
}

impl Tracked {
    /// Returns when every node answers from its cache.
    pub(super) async fn start(nodes: Vec<Client>, bound: Duration, seed: u64) -> Self {
        let (count, begun) = (nodes.len(), Instant::now());
        let load = Load::start(nodes, bound, seed);
        let tracked = Self { load, nodes: count, bound, phases: Vec::new() };
        tracked.caches_answer(begun).await;
        sleep(CALM).await;
        tracked
    }

    /// A fault is over. Waits until every node answers under a lease that it was granted since.
    pub(super) async fn recovered(&mut self, name: String, begun: Instant) {
        self.caches_answer(Instant::now() + self.bound).await;
        self.phases.push(Phase { name, begun, ended: Instant::now() });
        sleep(CALM).await;
    }

    async fn caches_answer(&self, since: Instant) {
        until_within(RECOVERY, "every node answers from its cache", async || {
            (0..self.nodes).all(|node| {
                self.load
                    .history()
                    .has(since, |event| event.node == Some(node) && event.source == Source::Local)
            })
        })
        .await;
    }

    pub(super) async fn stop(self) -> Run {
        let Self { load, bound, phases, .. } = self;
        Run { events: load.stop().await, phases, bound }
    }
}

impl Run {
    /// Reads the history, prints what has come of each fault, and returns the broken promises.
    pub(super) fn violations(&self, title: &str) -> Vec<Violation> {
        let violations = check(&self.events, self.bound);
        println!("{title}\n{}", Table::new(self, &violations));
        let mut counts = BTreeMap::<Promise, usize>::new();
        for Violation { promise, .. } in &violations {
            *counts.entry(*promise).or_default() += 1;
        }
        if let Some(first) = violations.first() {
            println!("{counts:?}, for instance {first}");
        }
        violations
    }
}

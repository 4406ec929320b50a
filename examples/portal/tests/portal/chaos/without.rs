//! What comes of the same faults where a defence is down on every node.

use session_testkit::proxy::Direction;

use super::checker::{Promise, Violation};
use super::faults::Kind;
use super::run::{run, seed, shuffled};
use super::site::Settings;
use super::{BOUND, TIMEOUT};

/// Those that keep a node from hearing of changes for longer than the bound, and some that do not.
const FAULTS: [Kind; 6] = [
    Kind::NodeStopped,
    Kind::SubscriptionsKilled,
    Kind::SubscriptionSilent(Direction::ToClient),
    Kind::SubscriptionSilent(Direction::Both),
    Kind::SubscriptionSlow,
    Kind::NodeCutOff,
];

async fn violations_without(defence: &str) -> Vec<Violation> {
    let seed = seed();
    let plan = shuffled(&FAULTS, 2, seed);
    let settings = Settings { nodes: 3, bound: BOUND, timeout: TIMEOUT, without: Some(defence) };
    let run = run(settings, &plan, seed).await;
    run.violations(&format!("without {defence}"))
}

/// How many caches were seen to answer what was before, later than the bound; in further storms, if
/// the first had no fault that was long enough.
async fn late_without(defence: &str) -> usize {
    for _ in 0..4 {
        let late = late(&violations_without(defence).await);
        if late > 0 {
            return late;
        }
    }
    0
}

fn late(violations: &[Violation]) -> usize {
    violations.iter().filter(|violation| violation.promise == Promise::CachesAreBounded).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_invalidation_the_bound_is_broken() {
    let late = late_without("invalidation").await;
    println!("without invalidation {late} answers were older than the bound");
    assert!(late > 0, "the checker does not see what it is for");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_leases_the_bound_is_broken() {
    let late = late_without("lease").await;
    println!("without leases {late} answers were older than the bound");
    assert!(late > 0, "the checker does not see what it is for");
}

//! Every fault, several times.

use super::faults::Kind;
use super::run::{run, seed, shuffled};
use super::site::Settings;
use super::{BOUND, TIMEOUT};

const TIMES: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn no_cache_answers_what_was_before_a_change_later_than_the_bound() {
    let seed = seed();
    let plan = shuffled(&Kind::ALL, TIMES, seed);
    let settings = Settings { nodes: 3, bound: BOUND, timeout: TIMEOUT, without: None };
    let run = run(settings, &plan, seed).await;
    let violations = run.violations("under all faults");
    let changes = run.events.iter().filter(|event| event.is_promise()).count();
    assert!(changes > 5 * plan.len(), "no more than {changes} changes were acknowledged");
    assert!(violations.is_empty(), "{} violations: {}", violations.len(), violations[0]);
}

//! A load whose reply is held back across a log-out or a write: what it has read is not cached.
//!
//! Chance hardly ever brings that about; here it is steered.

use std::sync::Arc;

use session_testkit::proxy::{Direction, Fault};
use tokio::time::{Duration, Instant, sleep};

use super::BOUND;
use super::checker::check;
use super::history::{Outcome, Source};
use super::requests::{Asked, Held, Requests};
use super::site::{Settings, Site};
use crate::patience::until;

/// Which node is asked to change sessions, and which one only reads them.
const WRITER: usize = 0;
const READER: usize = 1;

/// Longer than a reply is held back.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long each step may take to reach Redis, or the other node.
const STEP: Duration = Duration::from_millis(50);

const TRIES: usize = 8;

/// What came of some tries.
#[derive(Debug, Default)]
struct Tally {
    tries: usize,
    /// In how many a load had read what was before the change, and its reply came after it.
    held_across: usize,
    violations: usize,
}

/// Tries until there is a violation, or it is enough.
async fn tally(without: Option<&str>) -> Tally {
    let settings = Settings { nodes: 2, bound: BOUND, timeout: TIMEOUT, without };
    let site = Site::start(settings).await;
    let requests = Arc::new(Requests::new(site.clients()));
    let known = requests.sign_in(WRITER, "known").await.expect("a session");
    let mut tally = Tally::default();
    while tally.violations == 0 && tally.tries < TRIES {
        until_cached(&requests, &known).await;
        tally.tries += 1;
        tally.held_across += usize::from(load_across_change(&site, &requests, tally.tries).await);
        tally.violations = check(&requests.history.events(), BOUND).len();
    }
    tally
}

/// Waits until the reader's cache answers, as far as it knows a session.
async fn until_cached(requests: &Requests, known: &Held) {
    until("the reader's cache answers", async || {
        let since = Instant::now();
        requests.read(READER, known, Asked::Me).await;
        requests.history.has(since, |event| event.source == Source::Local)
    })
    .await;
}

/// Has the reader load a session that it does not know, and the writer change it before the reply
/// is there. Returns whether that is how it went.
async fn load_across_change(site: &Site, requests: &Arc<Requests>, number: usize) -> bool {
    let held = requests.sign_in(WRITER, "changed").await.expect("a session");
    let (proxy, calls) = (&site.nodes[READER].proxy, site.command_connections().await);
    proxy.set_on(&calls, Fault::Blackhole(Direction::ToClient)).await;
    let load = tokio::spawn({
        let (requests, held) = (Arc::clone(requests), held.clone());
        async move { requests.read(READER, &held, Asked::Counter).await }
    });
    sleep(STEP).await;
    let changed = if number.is_multiple_of(2) {
        requests.log_out(WRITER, &held).await
    } else {
        requests.write(WRITER, &held).await
    };
    // The announcement arrives first.
    sleep(STEP).await;
    proxy.heal().await;
    let loaded = load.await.expect("an answer");
    for after in [Duration::ZERO, BOUND, STEP, STEP] {
        sleep(after).await;
        requests.read(READER, &held, Asked::Counter).await;
    }
    matches!(changed, Outcome::Ended | Outcome::Counts(1)) && loaded == Outcome::Counts(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_a_change_is_not_cached_after_it() {
    let tally = tally(None).await;
    println!("with stripes: {tally:?}");
    assert_eq!(tally.violations, 0);
    assert!(tally.held_across > 0, "no reply came when it should have");
}

#[cfg(feature = "counter-experiments")]
#[tokio::test(flavor = "multi_thread")]
async fn without_stripes_what_was_read_before_a_change_is_cached_after_it() {
    let tally = tally(Some("stripes")).await;
    println!("without stripes: {tally:?}");
    assert!(tally.violations > 0, "the checker does not see what it is for");
}

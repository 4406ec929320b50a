//! People who count without a pause, and remember what they were answered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, interval};

use crate::client::Client;
use crate::configured::expect_outage;
use crate::patience::until_within;
use crate::process::Portal;

/// What came of one increment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) begun: Instant,
    pub(super) took: Duration,
    pub(super) status: u16,
    /// What the counter was told to be.
    value: Option<u64>,
}

impl Seen {
    pub(super) fn is_counted(&self) -> bool {
        self.status == 200
    }

    pub(super) fn ended(&self) -> Instant {
        self.begun + self.took
    }
}

type History = Arc<Mutex<Vec<Seen>>>;

/// Counters at work.
pub(super) struct Load {
    people: JoinSet<(Client, History)>,
    histories: Vec<History>,
    is_over: Arc<AtomicBool>,
}

impl Load {
    /// Signs so many people in; each counts in a session of their own.
    pub(super) async fn start(portal: &Portal, people: usize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut load = Self { people: JoinSet::new(), histories: Vec::new(), is_over };
        for number in 0..people {
            let client = portal.signed_in(&format!("u{number}")).await;
            let history = History::default();
            load.histories.push(Arc::clone(&history));
            load.people.spawn(count(client, history, Arc::clone(&load.is_over)));
        }
        load.until_each("they count", |history| history.len() >= 20).await;
        load
    }

    /// Waits until something is true of everybody's history.
    pub(super) async fn until_each(&self, what: &str, is_so: fn(&[Seen]) -> bool) {
        until_within(crate::process::DEADLINE, what, async || {
            self.histories.iter().all(|history| is_so(&lock(history)))
        })
        .await;
    }

    /// Waits until everybody has counted again, and returns how long that took the last of them.
    pub(super) async fn until_recovered(&self, since: Instant, limit: Duration) -> Duration {
        let first = |history: &History| {
            let history = lock(history);
            let counted = history.iter().filter(|seen| seen.is_counted());
            counted.map(Seen::ended).find(|ended| *ended > since)
        };
        until_within(limit, "everybody counts again", async || {
            self.histories.iter().all(|history| first(history).is_some())
        })
        .await;
        let last = self.histories.iter().filter_map(first).max().expect("people");
        last - since
    }

    /// Lets everybody finish, and checks that nothing of what they were told was a lie: sessions
    /// and counters are what they have to be after all that was acknowledged, and what was not may
    /// have happened or not. Returns all histories in one.
    pub(super) async fn stop(mut self) -> Vec<Seen> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        while let Some(person) = self.people.join_next().await {
            let (mut client, history) = person.expect("nobody panics");
            client.get("/api/me").await.expect(200).expect_no_cookie();
            let counter = client.get("/api/counter").await.expect(200).json();
            let history = lock(&history);
            check(&history, counter["value"].as_u64().expect("a number"));
            all.extend_from_slice(&history);
        }
        all.sort_by_key(|seen| seen.begun);
        all
    }
}

async fn count(
    mut client: Client,
    history: History,
    is_over: Arc<AtomicBool>,
) -> (Client, History) {
    // No faster than this: requests that are refused at once would be all that the machine does.
    let mut ticks = interval(Duration::from_millis(5));
    while !is_over.load(Ordering::Relaxed) {
        ticks.tick().await;
        let begun = Instant::now();
        let answer = client.post("/api/counter/now").await.expect_no_cookie();
        let (took, status) = (begun.elapsed(), answer.status);
        let value = if status == 200 {
            answer.json()["value"].as_u64()
        } else {
            expect_outage(answer);
            None
        };
        lock(&history).push(Seen { begun, took, status, value });
    }
    (client, history)
}

/// An increment that was not acknowledged may have happened, and then has happened once.
fn check(history: &[Seen], at_last: u64) {
    let (mut known, mut unknown) = (0, 0);
    for seen in history {
        match seen.value {
            Some(value) => {
                assert!(
                    (known + 1..=known + 1 + unknown).contains(&value),
                    "{value} after {known} and {unknown} of which nobody can tell"
                );
                (known, unknown) = (value, 0);
            }
            None => unknown += 1,
        }
    }
    assert!((known..=known + unknown).contains(&at_last), "{at_last} after {known} + {unknown}");
}

/// How often each status was answered.
pub(super) fn statuses(seen: &[Seen]) -> BTreeMap<u16, usize> {
    let mut statuses = BTreeMap::new();
    for seen in seen {
        *statuses.entry(seen.status).or_default() += 1;
    }
    statuses
}

fn lock(history: &History) -> MutexGuard<'_, Vec<Seen>> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}

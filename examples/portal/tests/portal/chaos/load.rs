//! People who use their sessions on all nodes, and change them all the time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Duration, interval, sleep, timeout};

use super::history::{Event, History, Outcome};
use super::requests::{Asked, Held, Requests};
use crate::client::Client;

const PEOPLE: u64 = 8;
/// Between two changes of one person, in ms.
const PAUSE: std::ops::Range<u64> = 100..400;
/// Who waits longer for an answer does something else meanwhile.
const PATIENCE: Duration = Duration::from_millis(300);
/// When, after a change was acknowledged, each node is asked about it: in ms, and in ms after the
/// bound.
const SOON: [u64; 9] = [0, 3, 10, 30, 60, 100, 180, 270, 360];
const LATE: [u64; 2] = [5, 100];
/// How often somebody tries a session that has ended long ago.
const GHOSTS: Duration = Duration::from_millis(25);
const GHOSTS_KNOWN: usize = 64;

/// People at work.
pub(super) struct Load {
    shared: Arc<Shared>,
    people: JoinSet<()>,
}

struct Shared {
    requests: Requests,
    bound: Duration,
    /// Sessions that were acknowledged to have ended.
    ghosts: Mutex<VecDeque<Held>>,
    /// Requests under way.
    under_way: Mutex<JoinSet<()>>,
    is_over: AtomicBool,
}

impl Load {
    pub(super) fn start(nodes: Vec<Client>, bound: Duration, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            requests: Requests::new(nodes),
            bound,
            ghosts: Mutex::default(),
            under_way: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let mut people = JoinSet::new();
        for person in 0..PEOPLE {
            let rng = Rng::with_seed(seed.wrapping_add(person));
            people.spawn(Arc::clone(&shared).live(person, rng));
        }
        let rng = Rng::with_seed(seed.wrapping_add(PEOPLE));
        people.spawn(Arc::clone(&shared).haunt(rng));
        Self { shared, people }
    }

    pub(super) fn history(&self) -> &History {
        &self.shared.requests.history
    }

    /// Returns what has happened once every request is answered.
    pub(super) async fn stop(self) -> Vec<Event> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.people.join_all().await;
        // Those that are answered ask about what they have done.
        loop {
            let under_way = std::mem::take(&mut *lock(&self.shared.under_way));
            if under_way.is_empty() {
                return self.shared.requests.history.events();
            }
            under_way.join_all().await;
        }
    }
}

impl Shared {
    async fn live(self: Arc<Self>, person: u64, mut rng: Rng) {
        let user = format!("u{person}");
        let mut held = None;
        while !self.is_over.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(rng.u64(PAUSE))).await;
            let [node, other] = [(); 2].map(|()| rng.usize(..self.requests.nodes()));
            held = match held {
                None => {
                    self.patiently(Arc::clone(&self).sign_in(node, user.clone())).await.flatten()
                }
                Some(held) => match rng.u8(..100) {
                    0..45 => self.write_patiently(node, held).await,
                    45..60 => {
                        let writes =
                            [node, other].map(|node| self.write_patiently(node, held.clone()));
                        let [one, two] = writes;
                        let (one, two) = tokio::join!(one, two);
                        one.and(two)
                    }
                    60..80 => self.patiently(Arc::clone(&self).rotate(node, held)).await.flatten(),
                    _ => {
                        self.patiently(Arc::clone(&self).log_out(node, held)).await;
                        None
                    }
                },
            };
        }
    }

    async fn sign_in(self: Arc<Self>, node: usize, user: String) -> Option<Held> {
        let held = self.requests.sign_in(node, &user).await?;
        self.watch(&held, Asked::Counter);
        Some(held)
    }

    /// Returns the session unless it is known not to be there any more.
    async fn write_patiently(self: &Arc<Self>, node: usize, held: Held) -> Option<Held> {
        let write = Arc::clone(self).write(node, held.clone());
        let is_there = self.patiently(write).await.unwrap_or(true);
        is_there.then_some(held)
    }

    async fn write(self: Arc<Self>, node: usize, held: Held) -> bool {
        let outcome = self.requests.write(node, &held).await;
        if let Outcome::Counts(_) = outcome {
            self.watch(&held, Asked::Counter);
        }
        outcome != Outcome::Missing
    }

    async fn log_out(self: Arc<Self>, node: usize, held: Held) {
        let outcome = self.requests.log_out(node, &held).await;
        self.left(held, outcome);
    }

    async fn rotate(self: Arc<Self>, node: usize, held: Held) -> Option<Held> {
        let (outcome, rotated) = self.requests.rotate(node, &held).await;
        self.left(held, outcome);
        let rotated = rotated?;
        self.watch(&rotated, Asked::Counter);
        Some(rotated)
    }

    fn left(self: &Arc<Self>, held: Held, outcome: Outcome) {
        if outcome == Outcome::Ended {
            self.watch(&held, Asked::Me);
            let mut ghosts = lock(&self.ghosts);
            if ghosts.len() == GHOSTS_KNOWN {
                ghosts.pop_front();
            }
            ghosts.push_back(held);
        }
    }

    async fn haunt(self: Arc<Self>, mut rng: Rng) {
        let mut ticks = interval(GHOSTS);
        while !self.is_over.load(Ordering::Relaxed) {
            ticks.tick().await;
            let ghost = {
                let ghosts = lock(&self.ghosts);
                (!ghosts.is_empty()).then(|| ghosts[rng.usize(..ghosts.len())].clone())
            };
            if let Some(ghost) = ghost {
                let node = rng.usize(..self.requests.nodes());
                self.spawn(Arc::clone(&self).read(node, ghost, Asked::Me));
            }
        }
    }

    async fn read(self: Arc<Self>, node: usize, held: Held, asked: Asked) {
        self.requests.read(node, &held, asked).await;
    }

    /// Asks every node about a change that was acknowledged just now, again and again.
    fn watch(self: &Arc<Self>, held: &Held, asked: Asked) {
        let soon = SOON.map(Duration::from_millis);
        let late = LATE.map(|ms| self.bound + Duration::from_millis(ms));
        for after in soon.into_iter().chain(late) {
            for node in 0..self.requests.nodes() {
                let read = Arc::clone(self).read(node, held.clone(), asked);
                self.spawn(async move {
                    sleep(after).await;
                    read.await;
                });
            }
        }
    }

    /// What comes of a request, if that is known in time. It goes on in any case.
    async fn patiently<T: Send + 'static>(
        &self,
        request: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (tell, told) = oneshot::channel();
        self.spawn(async move {
            // Nobody may be waiting any more.
            let _ = tell.send(request.await);
        });
        timeout(PATIENCE, told).await.ok()?.ok()
    }

    fn spawn(&self, request: impl Future<Output = ()> + Send + 'static) {
        let mut under_way = lock(&self.under_way);
        while let Some(ended) = under_way.try_join_next() {
            ended.expect("a request without a panic");
        }
        under_way.spawn(request);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

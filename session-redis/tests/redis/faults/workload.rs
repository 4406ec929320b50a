//! What a service does to its sessions all day.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use session_core::{
    Clock as _, Created, Key, Loaded, Record, Replaced, Revision, SystemClock, Touch,
};
use session_redis::RedisStore;
use session_testkit::sample;
use tokio::task::JoinSet;

use super::checker::{Violation, check};
use super::history::{Event, History, Recorded};
use super::patience::{for_ms, ms, until};

/// Tasks that work on the same few dozen sessions until they are told to stop.
pub(super) struct Workload {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

struct Shared {
    stores: Vec<RedisStore>,
    history: History,
    /// Sessions that are alive, as far as we know.
    sessions: Mutex<Vec<Key>>,
    kind: Kind,
    is_over: AtomicBool,
}

/// Which sessions to work on.
pub(super) struct Kind {
    new_key: Box<dyn Fn() -> Key + Send + Sync>,
    /// Whether half of them are somebody's, and so listed in another slot.
    has_subjects: bool,
}

impl Kind {
    pub(super) fn any() -> Self {
        Self::with_keys(sample::key)
    }

    pub(super) fn with_keys(new_key: impl Fn() -> Key + Send + Sync + 'static) -> Self {
        Self { new_key: Box::new(new_key), has_subjects: true }
    }

    pub(super) fn without_subjects(mut self) -> Self {
        self.has_subjects = false;
        self
    }
}

const SESSIONS: usize = 36;
const TASKS: usize = 6;
/// Between two steps of a task.
const PAUSE: u64 = 4;

impl Workload {
    /// Begins with sessions that have been written.
    pub(super) async fn start(stores: &[&RedisStore]) -> Self {
        Self::start_with(stores, Kind::any()).await
    }

    pub(super) async fn start_with(stores: &[&RedisStore], kind: Kind) -> Self {
        let shared = Arc::new(Shared {
            stores: stores.iter().map(|store| (*store).clone()).collect(),
            history: History::start(),
            sessions: Mutex::default(),
            kind,
            is_over: AtomicBool::new(false),
        });
        for _ in 0..SESSIONS {
            let key = shared.create(0).await.unwrap_or_else(|| {
                panic!("no session to begin with: {:?}", shared.history.events().last())
            });
            shared.sessions().push(key);
        }
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let shared = Arc::clone(&shared);
            tasks.spawn(async move {
                while !shared.is_over.load(Ordering::Relaxed) {
                    shared.step(task).await;
                    for_ms(fastrand::u64(PAUSE / 2..=PAUSE)).await;
                }
            });
        }
        Self { shared, tasks }
    }

    pub(super) fn history(&self) -> &History {
        &self.shared.history
    }

    /// How long after `fault` the first write was acknowledged that was begun since.
    pub(super) async fn writes_again(&self, fault: Instant) -> Duration {
        let first = || self.history().first_write(fault);
        until("a write", ms(30_000), async || first().is_some()).await;
        first().expect("the write that was waited for") - fault
    }

    /// Stops, reads each session once more, and checks all of it.
    pub(super) async fn finish(mut self) -> (Vec<Event>, Vec<Violation>) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("a task without a panic");
        }
        for key in self.shared.history.keys() {
            let start = Instant::now();
            while let Err(error) = self.shared.recorded(0).load(&key).await {
                let waited = start.elapsed();
                assert!(
                    waited < ms(10_000),
                    "the last look at {key}: {error} {:?}",
                    self.shared.stores[0]
                );
            }
        }
        let events = self.shared.history.events();
        let violations = check(&events);
        (events, violations)
    }

    /// As [`finish`](Self::finish), where nothing may be wrong.
    pub(super) async fn finish_clean(self) -> Vec<Event> {
        let (events, violations) = self.finish().await;
        assert!(violations.is_empty(), "{} violations: {}", violations.len(), violations[0]);
        events
    }
}

impl Shared {
    fn recorded(&self, task: usize) -> Recorded<'_> {
        Recorded { store: &self.stores[task % self.stores.len()], history: &self.history }
    }

    /// What one request does. That it fails is a matter for the history.
    async fn step(&self, task: usize) {
        let index = fastrand::usize(..SESSIONS);
        let key = self.sessions()[index];
        match fastrand::u8(..100) {
            0..45 => self.save(task, index, &key).await,
            45..65 => drop(self.recorded(task).load(&key).await),
            65..77 => self.touch(task, &key).await,
            77..87 => self.rotate(task, index, &key).await,
            _ => self.log_out(task, index, &key).await,
        }
    }

    async fn save(&self, task: usize, index: usize, key: &Key) {
        let Some(record) = self.load_or_renew(task, index, key).await else { return };
        let revision = record.revision;
        let _ = self.recorded(task).replace(key, record, revision).await;
    }

    async fn touch(&self, task: usize, key: &Key) {
        let idle_deadline = SystemClock.now().plus(ms(30 * 60_000));
        let _ = self.recorded(task).touch(Touch { key: *key, idle_deadline }).await;
    }

    async fn rotate(&self, task: usize, index: usize, key: &Key) {
        let Some(record) = self.load_or_renew(task, index, key).await else { return };
        let (to, revision) = (sample::key_beside(key), record.revision);
        match self.recorded(task).rotate(key, &to, record, revision).await {
            Ok(Replaced::Replaced(_)) => self.put(index, key, to),
            Ok(_) => {}
            // Which of the two is alive will be seen in the end.
            Err(_) => self.renew(task, index, key).await,
        }
    }

    async fn log_out(&self, task: usize, index: usize, key: &Key) {
        let _ = self.recorded(task).delete(key).await;
        self.renew(task, index, key).await;
    }

    async fn load_or_renew(&self, task: usize, index: usize, key: &Key) -> Option<Record> {
        match self.recorded(task).load(key).await {
            Ok(Loaded::Found { record, .. }) => Some(Record::clone(&record)),
            Ok(_) => {
                self.renew(task, index, key).await;
                None
            }
            Err(_) => None,
        }
    }

    async fn renew(&self, task: usize, index: usize, old: &Key) {
        if let Some(key) = self.create(task).await {
            self.put(index, old, key);
        }
    }

    async fn create(&self, task: usize) -> Option<Key> {
        let (key, record) = ((self.kind.new_key)(), sample::record(SystemClock.now()));
        let subject = (self.kind.has_subjects && fastrand::bool()).then(sample::subject);
        let record = Record { subject, revision: Revision::UNSAVED, ..record };
        let created = self.recorded(task).create(&key, record).await;
        matches!(created, Ok(Created::Created(_))).then_some(key)
    }

    fn put(&self, index: usize, old: &Key, new: Key) {
        let mut sessions = self.sessions();
        if sessions[index] == *old {
            sessions[index] = new;
        }
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, Vec<Key>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

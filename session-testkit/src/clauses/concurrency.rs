//! What holds when several tasks, and processes if the store is shared, write one session at
//! once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use session_core::{
    Consistency, Created, Key, Load, Loaded, Payload, Record, Replaced, Revision, Timestamp,
    Touched,
};
use tokio::task::yield_now;

use crate::checked::{Checked, name, together};
use crate::harness::{Harness, advance_to};
use crate::sample;

/// How often a race is run.
pub(super) const ROUNDS: usize = 100;
/// How many tasks take part in one.
pub(super) const TASKS: usize = 6;
/// How often a counter is raced up, and how far by each task.
const COUNTS: usize = 5;
const EACH: u64 = 40;
/// How often a task tries.
pub(super) const TRIES: usize = 10_000;

/// A task's tries before it must see what happens elsewhere: until it has happened, as many as it
/// takes, since reads may pass by a write that waits for its turn; so many afterwards.
pub(super) fn tries(happened: &AtomicBool) -> impl Iterator<Item = usize> {
    let mut late = 0;
    (0..).take_while(move |_| {
        late += usize::from(happened.load(Ordering::SeqCst));
        late < TRIES
    })
}

/// Of several creates of one key exactly one is `Created`, and it is that one which is stored.
pub async fn concurrent_creates(harness: &dyn Harness) {
    let store = Checked::of(concurrent_creates, harness);
    let handles = store.handles(harness).await;
    for _ in 0..ROUNDS {
        let (key, now) = (sample::key(), harness.now());
        let answers = together(handles.iter().cycle().take(TASKS).cloned().map(|store| {
            let record = sample::record(now);
            async move { (store.create(&key, &record).await, record) }
        }))
        .await;
        let mut created = answers.iter().filter_map(|(answer, record)| match answer {
            Created::Created(revision) => Some((*revision, record)),
            Created::Duplicate => None,
        });
        let Some((revision, record)) = created.next() else {
            store.fail("of several creates of a free key none was Created");
        };
        store.assert(created.next().is_none(), "two creates of one key were Created");
        store.holds(&key, record, revision, "after several creates").await;
    }
}

/// Of several replaces at one revision exactly one wins, so a counter kept by compare-and-set
/// ends at the number of acknowledged increments; and a load meanwhile sees one of the states,
/// whole, never an earlier one than before.
pub async fn concurrent_replaces(harness: &dyn Harness) {
    let store = Checked::of(concurrent_replaces, harness);
    let handles = store.handles(harness).await;
    for _ in 0..COUNTS {
        let count = Count::new(&store, harness).await;
        together(handles.iter().cycle().take(TASKS).cloned().enumerate().map(|(index, store)| {
            let count = count.clone();
            async move {
                match index {
                    0 => count.watch(&store).await,
                    _ => count.up(&store).await,
                }
            }
        }))
        .await;
        count.ends_at(&store, (TASKS - 1) as u64 * EACH).await;
    }
}

/// A touch that runs beside replaces undoes none of them.
pub async fn concurrent_touch_and_replace(harness: &dyn Harness) {
    let store = Checked::of(concurrent_touch_and_replace, harness);
    let handles = store.handles(harness).await;
    for _ in 0..COUNTS {
        let count = Count::new(&store, harness).await;
        together(handles.iter().cycle().take(TASKS).cloned().enumerate().map(|(index, store)| {
            let count = count.clone();
            async move {
                match index {
                    0 | 1 => count.touch(&store).await,
                    2 => count.watch(&store).await,
                    _ => count.up(&store).await,
                }
            }
        }))
        .await;
        count.ends_at(&store, (TASKS - 3) as u64 * EACH).await;
    }
}

/// A counter kept in a session, and what the tasks of a race do with it.
#[derive(Clone)]
struct Count {
    key: Key,
    now: Timestamp,
    first: Revision,
    /// How far it has got, as far as acknowledged; what runs beside ends with it.
    acknowledged: Arc<AtomicU64>,
}

impl Count {
    async fn new(store: &Checked, harness: &dyn Harness) -> Self {
        let (key, now) = (sample::key(), harness.now());
        let first = store.created(&key, &counter(now, 0)).await;
        Self { key, now, first, acknowledged: Arc::default() }
    }

    /// Counts up by compare-and-set.
    async fn up(&self, store: &Checked) {
        let (mut count, mut expected) = (0, self.first);
        let mut left = EACH;
        while left > 0 {
            match store.replace(&self.key, &counter(self.now, count + 1), expected).await {
                Replaced::Replaced(revision) => {
                    store.assert(revision > expected, "a replace gave no higher revision");
                    (count, expected) = (count + 1, revision);
                    self.acknowledged.fetch_add(1, Ordering::SeqCst);
                    left -= 1;
                }
                Replaced::Conflict(current) => {
                    let ahead = current.revision > expected;
                    store.assert(ahead, "a conflict carries no later revision than expected");
                    (count, expected) = (count_of(store, &current), current.revision);
                }
                Replaced::Gone => store.fail("replace answered Gone for a live session"),
            }
            yield_now().await;
        }
    }

    /// Reads while others count.
    async fn watch(&self, store: &Checked) {
        let (mut last, mut last_count) = (Revision::UNSAVED, 0);
        for _ in 0..TRIES {
            let at_least = self.acknowledged.load(Ordering::SeqCst);
            let load = Load::default().consistency(Consistency::Strong).known(last);
            match store.load(&self.key, load).await {
                Loaded::Unchanged { .. } => {}
                Loaded::Absent => store.fail("a load beside replaces answered Absent"),
                Loaded::Found { record, .. } => {
                    let count = count_of(store, &record);
                    let onward = record.revision > last && count >= last_count;
                    store.assert(onward, "a load saw an earlier state than the load before it");
                    (last, last_count) = (record.revision, count);
                }
            }
            store.assert(
                last_count >= at_least,
                "a load did not see a replace that was acknowledged before it",
            );
            if last_count > 2 * EACH {
                return;
            }
            yield_now().await;
        }
    }

    /// Touches while others count.
    async fn touch(&self, store: &Checked) {
        let idle_deadline = sample::record(self.now).idle_deadline;
        for _ in 0..TRIES {
            let answer = store.touch_one(&self.key, idle_deadline).await;
            let done = answer == Touched::Done;
            store.assert(done, "a touch of a live session answered Gone");
            if self.acknowledged.load(Ordering::SeqCst) > 2 * EACH {
                return;
            }
            yield_now().await;
        }
    }

    async fn ends_at(&self, store: &Checked, expected: u64) {
        let Some(record) = store.find_strong(&self.key).await else {
            store.fail("the session is gone after nothing but replaces and touches");
        };
        let count = count_of(store, &record);
        store.assert(
            count == expected,
            format_args!("{expected} increments were acknowledged, but the counter is at {count}"),
        );
    }
}

/// A record in which a number is written in several places.
fn counter(now: Timestamp, count: u64) -> Record {
    Record {
        authenticated_at: Some(Timestamp::from_millis(count as i64)),
        payload: Payload::new(count.to_be_bytes().repeat(64)),
        ..sample::record(now)
    }
}

fn count_of(store: &Checked, record: &Record) -> u64 {
    let count = record.authenticated_at.map_or(0, Timestamp::as_millis) as u64;
    let whole = record.payload.as_bytes()[..] == count.to_be_bytes().repeat(64);
    store.assert(whole, "a load saw parts of two states");
    count
}

/// A delete beside replaces wins: the session is dead in the end, and for every replace that
/// began after the delete was acknowledged.
pub async fn concurrent_delete_and_replace(harness: &dyn Harness) {
    let store = Checked::of(concurrent_delete_and_replace, harness);
    let handles = store.handles(harness).await;
    for round in 0..ROUNDS {
        let (key, now) = (sample::key(), harness.now());
        let first = store.created(&key, &sample::record(now)).await;
        let deleted = Arc::new(AtomicBool::new(false));
        together(handles.iter().cycle().take(TASKS).cloned().enumerate().map(|(index, store)| {
            let deleted = Arc::clone(&deleted);
            async move {
                if index == 0 {
                    return delete_after(&store, &key, round, &deleted).await;
                }
                let mut expected = first;
                for _ in tries(&deleted) {
                    let late = deleted.load(Ordering::SeqCst);
                    let answer = store.replace(&key, &sample::record(now), expected).await;
                    let what = format!(
                        "a replace after an acknowledged delete answered {}",
                        name(&answer)
                    );
                    store.assert(!late || matches!(answer, Replaced::Gone), what);
                    match answer {
                        Replaced::Replaced(revision) => expected = revision,
                        Replaced::Conflict(current) => expected = current.revision,
                        Replaced::Gone => return,
                    }
                    yield_now().await;
                }
                store.fail("no replace answered Gone, although the session was deleted");
            }
        }))
        .await;
        store.dead(&key, first, now, "after a delete beside replaces").await;
    }
}

/// A delete beside touches wins: the session is dead in the end, and for every touch through the
/// same handle that began after the delete was acknowledged.
pub async fn concurrent_touch_and_delete(harness: &dyn Harness) {
    let store = Checked::of(concurrent_touch_and_delete, harness);
    let handles = store.handles(harness).await;
    let nodes = handles.len();
    for round in 0..ROUNDS {
        let (key, record) = (sample::key(), sample::record(harness.now()));
        let first = store.created(&key, &record).await;
        let deleted = Arc::new(AtomicBool::new(false));
        together(handles.iter().cycle().take(TASKS).cloned().enumerate().map(|(index, store)| {
            let deleted = Arc::clone(&deleted);
            let tick = harness.tick();
            async move {
                if index == 0 {
                    return delete_after(&store, &key, round, &deleted).await;
                }
                for step in tries(&deleted) {
                    let late = deleted.load(Ordering::SeqCst);
                    let idle_deadline = record.idle_deadline.plus(tick * (step as u32));
                    let answer = store.touch_one(&key, idle_deadline).await;
                    let gone = answer == Touched::Gone;
                    // Elsewhere a cache may vouch for it a little longer.
                    let is_here = index % nodes == 0;
                    let holds = gone || !late || !is_here;
                    store.assert(holds, "a touch after an acknowledged delete was Done");
                    if gone {
                        return;
                    }
                    yield_now().await;
                }
                store.fail("no touch answered Gone, although the session was deleted");
            }
        }))
        .await;
        store.dead(&key, first, harness.now(), "after a delete beside touches").await;
    }
}

async fn delete_after(store: &Checked, key: &Key, round: usize, deleted: &AtomicBool) {
    for _ in 0..round % 5 {
        yield_now().await;
    }
    store.deleted(key).await;
    deleted.store(true, Ordering::SeqCst);
}

/// Several nodes purge at once, while some expired keys are taken by new sessions: no session is
/// freed twice, and no acknowledged create is lost to a purge.
pub async fn concurrent_purge_and_create(harness: &dyn Harness) {
    const EACH: usize = 4;
    let store = Checked::of(concurrent_purge_and_create, harness);
    let handles = store.handles(harness).await;
    for _ in 0..4 {
        let short = sample::record_living(harness.now(), harness.tick() * 5);
        let keys: [[Key; EACH]; TASKS] =
            std::array::from_fn(|_| std::array::from_fn(|_| sample::key()));
        for key in keys.as_flattened() {
            store.created(key, &short).await;
        }
        advance_to(harness, short.idle_deadline).await;
        let long = sample::record(harness.now());
        let tasks = handles.iter().cycle().cloned().zip(keys).map(|(store, [taken, free @ ..])| {
            let long = long.clone();
            async move {
                let before = store.purge(free.len()).await;
                store.created(&taken, &long).await;
                before + store.purge(TASKS * EACH).await
            }
        });
        let freed: usize = together(tasks).await.into_iter().sum();
        let expired = TASKS * EACH;
        let message = format!("{freed} sessions were freed, of {expired} expired ones");
        store.assert(freed <= expired, message);
        for [taken, ..] in &keys {
            store.found(taken, "created on an expired key beside purges").await;
        }
        while store.purge(expired).await > 0 {}
    }
}

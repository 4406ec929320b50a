//! What holds when a session is rotated while others use it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use session_core::{Key, Record, Replaced, Revision, Touched};
use tokio::task::yield_now;

use crate::checked::{Checked, name, together};
use crate::clauses::concurrency::{ROUNDS, TASKS, TRIES, tries};
use crate::harness::Harness;
use crate::sample;

/// Of several rotations of one session exactly one wins, the others answer `Gone`, and one
/// session is alive in the end: the winner's.
pub async fn concurrent_rotates(harness: &dyn Harness) {
    let store = Checked::of(concurrent_rotates, harness);
    let handles = store.handles(harness).await;
    for _ in 0..ROUNDS {
        let (from, now) = (sample::key(), harness.now());
        let first = store.created(&from, &sample::record(now)).await;
        let answers = together(handles.iter().cycle().take(TASKS).cloned().map(|store| {
            let (to, record) = (sample::key_beside(&from), sample::record(now));
            async move {
                let answer = store.rotate(&from, &to, &record, first).await;
                (to, record, answer)
            }
        }))
        .await;
        let mut winners = 0;
        for (to, record, answer) in &answers {
            if let Replaced::Replaced(revision) = answer {
                winners += 1;
                store.holds(to, record, *revision, "after several rotations of one key").await;
            } else {
                store.gone(answer, "a rotation beside the one that won");
                store.absent(to, "the new key of a rotation that lost").await;
            }
        }
        store.assert(winners == 1, format_args!("{winners} of several rotations won"));
        store.dead(&from, first, now, "after several rotations of it").await;
    }
}

/// A rotation beside replaces: one of them wins at each revision, nobody ever sees both keys
/// alive or both dead, and after the rotation the old key is dead for every replace.
pub async fn concurrent_rotate_and_replace(harness: &dyn Harness) {
    let store = Checked::of(concurrent_rotate_and_replace, harness);
    let handles = store.handles(harness).await;
    for round in 0..ROUNDS {
        let race = Race::new(&store, harness).await;
        let tasks = handles.iter().cycle().take(TASKS).cloned().enumerate();
        together(tasks.map(|(index, store)| {
            let race = race.clone();
            async move {
                match index {
                    0 => race.rotate(&store, round).await,
                    1 | 2 => race.watch(&store).await,
                    _ => race.replace(&store).await,
                }
            }
        }))
        .await;
        store.dead(&race.from, race.first, harness.now(), "rotated beside replaces").await;
        store.found(&race.to, "the new key of a rotation beside replaces").await;
    }
}

/// A rotation beside touches of the old key: those that come late through the same handle answer
/// `Gone`, and none revives anything.
pub async fn concurrent_rotate_and_touch(harness: &dyn Harness) {
    let store = Checked::of(concurrent_rotate_and_touch, harness);
    let handles = store.handles(harness).await;
    let nodes = handles.len();
    for round in 0..ROUNDS {
        let race = Race::new(&store, harness).await;
        let tasks = handles.iter().cycle().take(TASKS).cloned().enumerate();
        together(tasks.map(|(index, store)| {
            let race = race.clone();
            async move {
                match index {
                    0 => race.rotate(&store, round).await,
                    1 => race.watch(&store).await,
                    _ => race.touch(&store, index % nodes == 0).await,
                }
            }
        }))
        .await;
        store.dead(&race.from, race.first, harness.now(), "rotated beside touches").await;
        store.found(&race.to, "the new key of a rotation beside touches").await;
    }
}

/// Deletes beside a rotation of the same key: either one of the deletes finds the session, or the
/// rotation does.
pub async fn concurrent_rotate_and_delete(harness: &dyn Harness) {
    let store = Checked::of(concurrent_rotate_and_delete, harness);
    let handles = store.handles(harness).await;
    for round in 0..ROUNDS {
        let race = Race::new(&store, harness).await;
        let tasks = handles.iter().cycle().take(TASKS).cloned().enumerate();
        let found = together(tasks.map(|(index, store)| {
            let race = race.clone();
            async move {
                for _ in 0..(round * (index + 1)) % 5 {
                    yield_now().await;
                }
                if index > 0 {
                    return store.delete(&race.from).await;
                }
                let Race { from, to, record, first, .. } = &race;
                let answer = store.rotate(from, to, record, *first).await;
                matches!(answer, Replaced::Replaced(_))
            }
        }))
        .await;
        let (rotated, deletes) = (found[0], found[1..].iter().filter(|found| **found).count());
        store.assert(
            usize::from(rotated) + deletes == 1,
            format_args!("one session was found by {deletes} deletes, and rotated: {rotated}"),
        );
        store.dead(&race.from, race.first, harness.now(), "rotated beside deletes").await;
        let alive = store.find(&race.to).await.is_some();
        store.assert(alive == rotated, "the new key is not as the rotation answered");
    }
}

/// One session, two keys, and what the tasks of a race do with them.
#[derive(Clone)]
struct Race {
    from: Key,
    to: Key,
    first: Revision,
    record: Record,
    rotated: Arc<AtomicBool>,
}

impl Race {
    async fn new(store: &Checked, harness: &dyn Harness) -> Self {
        let from = sample::key();
        let record = sample::record(harness.now());
        let first = store.created(&from, &record).await;
        let rotated = Arc::default();
        Self { from, to: sample::key_beside(&from), first, record, rotated }
    }

    /// Rotates, at whatever revision the session has come to.
    async fn rotate(&self, store: &Checked, round: usize) {
        for _ in 0..round % 5 {
            yield_now().await;
        }
        let mut expected = self.first;
        for _ in 0..TRIES {
            match store.rotate(&self.from, &self.to, &self.record, expected).await {
                Replaced::Replaced(_) => return self.rotated.store(true, Ordering::SeqCst),
                Replaced::Conflict(current) => expected = current.revision,
                Replaced::Gone => store.fail("rotate answered Gone for a live session"),
            }
        }
        store.fail("rotate always answers Conflict");
    }

    /// Replaces the record at the old key until it is gone.
    async fn replace(&self, store: &Checked) {
        let mut expected = self.first;
        for _ in tries(&self.rotated) {
            let late = self.rotated.load(Ordering::SeqCst);
            let answer = store.replace(&self.from, &self.record, expected).await;
            let gone = matches!(answer, Replaced::Gone);
            let answered = name(&answer);
            let what = format!("a replace after an acknowledged rotation answered {answered}");
            store.assert(gone || !late, what);
            match answer {
                Replaced::Replaced(revision) => expected = revision,
                Replaced::Conflict(current) => expected = current.revision,
                Replaced::Gone => return,
            }
            // Leaves room for the rotation, which would starve otherwise.
            yield_now().await;
            yield_now().await;
        }
        store.fail("no replace answered Gone, although the session was rotated");
    }

    /// Touches the old key until it is gone. `is_here` is the handle that rotates; elsewhere a cache
    /// may vouch for the old key a little longer.
    async fn touch(&self, store: &Checked, is_here: bool) {
        for _ in tries(&self.rotated) {
            let late = self.rotated.load(Ordering::SeqCst);
            let answer = store.touch_one(&self.from, self.record.absolute_deadline).await;
            let gone = answer == Touched::Gone;
            let holds = gone || !late || !is_here;
            store.assert(holds, "a touch after an acknowledged rotation was Done");
            if gone {
                return;
            }
            yield_now().await;
        }
        store.fail("no touch answered Gone, although the session was rotated");
    }

    /// Looks until the session has moved. No two loads see one moment, so it is their order that
    /// tells: once the old key is dead the new one must be alive, and once the new one is alive
    /// the old one must be dead.
    async fn watch(&self, store: &Checked) {
        for _ in tries(&self.rotated) {
            if one_alive(store, &self.from, &self.to).await == self.to {
                return;
            }
            yield_now().await;
        }
        store.fail("the session never moved, although it was rotated");
    }
}

/// Which of the two keys of a rotation, acknowledged or not, holds the session. Fails if none
/// does, or both.
pub(super) async fn one_alive(store: &Checked, from: &Key, to: &Key) -> Key {
    if store.find_strong(from).await.is_none() {
        let moved = store.find_strong(to).await.is_some();
        store.assert(moved, "both keys of a rotation were seen dead at once");
        return *to;
    }
    if store.find_strong(to).await.is_none() {
        return *from;
    }
    // It may have moved between the two loads.
    let moved = store.find_strong(from).await.is_none();
    store.assert(moved, "both keys of a rotation were seen alive at once");
    *to
}

//! What `rotate` does.

use session_core::{Record, Revision};

use crate::checked::Checked;
use crate::harness::Harness;
use crate::sample;

/// `rotate` puts the record at the new key, at a higher revision, and from then on every method
/// treats the old key as absent.
pub async fn rotate_moves_the_session(harness: &dyn Harness) {
    let store = Checked::of(rotate_moves_the_session, harness);
    let now = harness.now();
    let from = sample::key();
    let to = sample::key_beside(&from);
    let created = store.created(&from, &sample::record(now)).await;

    let record = Record { authenticated_at: Some(now), ..sample::record(now) };
    let rotated = store.rotated(&from, &to, &record, created).await;
    store.assert(rotated > created, "rotate gave no higher revision");
    store.holds(&to, &record, rotated, "rotated").await;
    for revision in [created, rotated] {
        store.dead(&from, revision, now, "the key rotated away from").await;
    }
    store.holds(&to, &record, rotated, "after all methods were tried on the old key").await;
}

/// `rotate` at any other revision than the stored one answers `Conflict` with the current
/// record; the old key stays as it is and the new one absent.
pub async fn rotate_checks_the_revision(harness: &dyn Harness) {
    let store = Checked::of(rotate_checks_the_revision, harness);
    let now = harness.now();
    let from = sample::key();
    let first = store.created(&from, &sample::record(now)).await;
    let current = sample::record(now);
    let revision = store.replaced(&from, &current, first).await;

    for expected in [first, Revision::UNSAVED, revision.next(), Revision::new(u64::MAX >> 1)] {
        let to = sample::key_beside(&from);
        let record = Record { revision, ..sample::record(now) };
        let answer = store.rotate(&from, &to, &record, expected).await;
        let what = format!("rotate at {expected:?} of a session at {revision:?}");
        let carried = store.conflict(answer, &what);
        store.same(&carried, &current, revision, "the record that a conflict carries");
        store.holds(&from, &current, revision, "the old key after a conflict").await;
        store.dead(&to, revision, now, "the new key after a conflict").await;
    }
}

/// `rotate` of a session that is missing or was deleted answers `Gone`; both keys stay absent.
pub async fn rotate_never_creates(harness: &dyn Harness) {
    let store = Checked::of(rotate_never_creates, harness);
    let now = harness.now();
    let record = sample::record(now);
    let deleted = sample::key();
    let revision = store.created(&deleted, &record).await;
    store.deleted(&deleted).await;

    for (from, what) in [(sample::key(), "a missing"), (deleted, "a deleted")] {
        for expected in [Revision::UNSAVED, Revision::new(1), revision, revision.next()] {
            let to = sample::key_beside(&from);
            let answer = store.rotate(&from, &to, &record, expected).await;
            store.gone(&answer, &format!("rotate of {what} session at {expected:?}"));
            store.dead(&from, expected, now, "the old key of a rotation that was none").await;
            store.dead(&to, expected, now, "the new key of a rotation that was none").await;
        }
    }
}

/// `rotate` to a key that is taken fails, and neither session is touched.
pub async fn rotate_never_overwrites(harness: &dyn Harness) {
    let store = Checked::of(rotate_never_overwrites, harness);
    let now = harness.now();
    let from = sample::key();
    let to = sample::key_beside(&from);
    let (mine, theirs) = (sample::record(now), sample::record(now));
    let my_revision = store.created(&from, &mine).await;
    let their_revision = store.created(&to, &theirs).await;

    let answer = store.store.rotate(&from, &to, &sample::record(now), my_revision).await;
    store.assert(answer.is_err(), format_args!("rotate to a taken key answered {answer:?}"));
    store.holds(&from, &mine, my_revision, "the old key of a rotation to a taken one").await;
    store.holds(&to, &theirs, their_revision, "the taken key of a rotation").await;
}

/// After five rotations in a row every earlier key is dead for every method, and the last one
/// holds the session.
pub async fn rotate_chain(harness: &dyn Harness) {
    let store = Checked::of(rotate_chain, harness);
    let now = harness.now();
    let mut key = sample::key();
    let mut record = sample::record(now);
    let mut revision = store.created(&key, &record).await;
    let mut earlier = Vec::new();
    for _ in 0..5 {
        earlier.push((key, revision));
        let to = sample::key_beside(&key);
        record = sample::record(now);
        revision = store.rotated(&key, &to, &record, revision).await;
        key = to;
    }
    for (step, (dead, then)) in earlier.into_iter().enumerate() {
        for revision in [then, revision] {
            store.dead(&dead, revision, now, &format!("key {step} of a chain of rotations")).await;
        }
    }
    store.holds(&key, &record, revision, "the last key of a chain of rotations").await;
}

//! What `delete` does.

use session_core::Record;

use crate::checked::Checked;
use crate::harness::Harness;
use crate::sample;

/// `delete` answers true once, then false, and false for a key that never was; it never fails
/// for want of a session.
pub async fn delete_is_idempotent(harness: &dyn Harness) {
    let store = Checked::of(delete_is_idempotent, harness);
    let key = sample::key();
    let was_there = store.delete(&key).await;
    store.assert(!was_there, "delete answered that a key never created was there");

    store.created(&key, &sample::record(harness.now())).await;
    store.deleted(&key).await;
    for _ in 0..2 {
        let was_there = store.delete(&key).await;
        store.assert(!was_there, "delete answered twice that it was there");
    }
}

/// A deleted session, at whatever revision it was, is absent for every method, and its
/// neighbours stay.
pub async fn deleted_is_absent(harness: &dyn Harness) {
    let store = Checked::of(deleted_is_absent, harness);
    let now = harness.now();
    let key = sample::key();
    let neighbour = sample::key_beside(&key);
    let record = Record { subject: Some(sample::subject()), ..sample::record(now) };
    let other = store.created(&neighbour, &record).await;

    let created = store.created(&key, &record).await;
    store.deleted(&key).await;
    store.dead(&key, created, now, "deleted").await;

    let key = sample::key_beside(&key);
    let mut revision = store.created(&key, &record).await;
    for _ in 0..3 {
        revision = store.replaced(&key, &record, revision).await;
    }
    store.deleted(&key).await;
    for revision in [created, revision, revision.next()] {
        store.dead(&key, revision, now, "deleted after some writes").await;
    }
    store.holds(&neighbour, &record, other, "a session beside one that was deleted").await;
}

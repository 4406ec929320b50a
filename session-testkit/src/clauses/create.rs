//! What `create` does.

use session_core::{Created, Record, Revision};

use crate::checked::Checked;
use crate::harness::Harness;
use crate::sample;

/// `create` on a key that is taken answers `Duplicate` and changes nothing: not the record, not
/// its revision, not whose session it is.
pub async fn create_never_overwrites(harness: &dyn Harness) {
    let store = Checked::of(create_never_overwrites, harness);
    let (key, now) = (sample::key(), harness.now());
    let first = Record { subject: Some(sample::subject()), ..sample::record(now) };
    let revision = store.created(&key, &first).await;

    let (owner, intruder) = (first.subject.clone(), sample::subject());
    let second = Record { subject: Some(intruder.clone()), ..sample::record(now) };
    for record in [&second, &Record { revision, ..second.clone() }, &first] {
        let answer = store.create(&key, record).await;
        let duplicate = answer == Created::Duplicate;
        store.assert(duplicate, format_args!("create on a taken key answered {answer:?}"));
        store.holds(&key, &first, revision, "after a second create").await;
    }
    if store.store.subjects().is_some() {
        let listed = store.list(&intruder).await.len();
        store.assert(listed == 0, "a refused create is listed for its subject");
        let listed = store.list(owner.as_ref().unwrap_or(&intruder)).await.len();
        store.assert(listed == 1, "after a refused create the session is not listed once");
    }
}

/// The revision that `create` answers is the one that `load` shows and `replace` accepts, and
/// not that of an unsaved record, whatever revision the record came with.
pub async fn created_revision_is_readable(harness: &dyn Harness) {
    let store = Checked::of(created_revision_is_readable, harness);
    let now = harness.now();
    for given in [0, 1, 77, u64::MAX] {
        let key = sample::key();
        let record = Record { revision: Revision::new(given), ..sample::record(now) };
        let revision = store.created(&key, &record).await;
        store.assert(revision > Revision::UNSAVED, "create answered the revision UNSAVED");
        store.holds(&key, &record, revision, "created").await;
        store.replaced(&key, &record, revision).await;
    }
}

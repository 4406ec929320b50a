//! What `replace` does.

use session_core::{Record, Replaced, Revision};

use crate::checked::{Checked, name};
use crate::harness::{Harness, advance_to};
use crate::sample;

/// `replace` at any other revision than the stored one, earlier or later, answers `Conflict`
/// with the current record and writes nothing.
pub async fn replace_checks_the_revision(harness: &dyn Harness) {
    let store = Checked::of(replace_checks_the_revision, harness);
    let (key, now) = (sample::key(), harness.now());
    let first = store.created(&key, &sample::record(now)).await;
    let current = Record { subject: Some(sample::subject()), ..sample::record(now) };
    let revision = store.replaced(&key, &current, first).await;

    let refused = Record { subject: Some(sample::subject()), ..sample::record(now) };
    for expected in [first, Revision::UNSAVED, revision.next(), Revision::new(u64::MAX >> 1)] {
        let refused = Record { revision, ..refused.clone() };
        let answer = store.replace(&key, &refused, expected).await;
        let what = format!("replace at {expected:?} of a session at {revision:?}");
        let carried = store.conflict(answer, &what);
        store.same(&carried, &current, revision, "the record that a conflict carries");
        store.holds(&key, &current, revision, "after a conflict").await;
    }
    if let Some(subject) = refused.subject {
        let listed = store.list(&subject).await.len();
        store.assert(listed == 0, "a conflicting replace is listed for its subject");
    }
}

/// `replace` of a session that is missing, was deleted or was rotated away answers `Gone`, and
/// the key stays absent, whatever revision is expected.
pub async fn replace_never_creates(harness: &dyn Harness) {
    let store = Checked::of(replace_never_creates, harness);
    let now = harness.now();
    let record = sample::record(now);

    let deleted = sample::key();
    let revision = store.created(&deleted, &record).await;
    store.deleted(&deleted).await;

    let rotated = sample::key();
    let before = store.created(&rotated, &record).await;
    store.rotated(&rotated, &sample::key_beside(&rotated), &record, before).await;

    for (key, what) in
        [(sample::key(), "a missing"), (deleted, "a deleted"), (rotated, "a rotated")]
    {
        for expected in [Revision::UNSAVED, Revision::new(1), revision, before, revision.next()] {
            let answer = store.replace(&key, &record, expected).await;
            store.gone(&answer, &format!("replace of {what} session at {expected:?}"));
            store.absent(&key, &format!("after replace of {what} session")).await;
        }
    }
}

/// `replace` sets both deadlines as the record says, earlier (shorter timeouts) as well as
/// later, and they are the ones by which the session ends.
pub async fn replace_sets_the_deadlines(harness: &dyn Harness) {
    let store = Checked::of(replace_sets_the_deadlines, harness);
    let (now, tick) = (harness.now(), harness.tick());
    let long = sample::record(now);
    let short = sample::record_living(now, tick * 5);
    let (shortened, extended) = (sample::key(), sample::key());

    let revision = store.created(&shortened, &long).await;
    store.touched(&shortened, long.idle_deadline.plus(tick)).await;
    let last = store.replaced(&shortened, &short, revision).await;

    let revision = store.created(&extended, &short).await;
    let revision = store.replaced(&extended, &long, revision).await;

    advance_to(harness, short.idle_deadline).await;
    store.dead(&shortened, last, harness.now(), "past the deadline that replace has set").await;
    let when = "past the deadline before a replace that set a later one";
    store.holds(&extended, &long, revision, when).await;
}

/// Each write of a session, and of its successors after a rotation, has a higher revision than
/// the one before, and only the highest is current.
pub async fn revisions_rise(harness: &dyn Harness) {
    let store = Checked::of(revisions_rise, harness);
    let now = harness.now();
    let mut key = sample::key();
    let mut last = store.created(&key, &sample::record(now)).await;
    for step in 0..12 {
        let record = sample::record(now);
        let answer = if step % 4 == 3 {
            let from = key;
            key = sample::key_beside(&from);
            store.rotate(&from, &key, &record, last).await
        } else {
            store.replace(&key, &record, last).await
        };
        let Replaced::Replaced(revision) = answer else {
            store.fail(format_args!("a write at {last:?} answered {}", name(&answer)));
        };
        store.assert(
            revision > last,
            format_args!("{revision:?} was given to a write after {last:?}"),
        );
        store.holds(&key, &record, revision, "after a write").await;
        let answer = store.replace(&key, &record, last).await;
        store.conflict(answer, "replace at the revision before the current one");
        last = revision;
    }
}

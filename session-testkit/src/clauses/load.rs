//! What `load` answers.

use session_core::{Consistency, Key, Load, Loaded, Revision, Timestamp};

use crate::checked::Checked;
use crate::harness::Harness;
use crate::sample;

/// A key that nobody created is `Absent`, with or without a known revision, however fresh the
/// answer has to be.
pub async fn load_absent(harness: &dyn Harness) {
    let store = Checked::of(load_absent, harness);
    let key = sample::key();
    for consistency in [Consistency::Cached, Consistency::Strong, Consistency::Replica] {
        let load = Load::default().consistency(consistency);
        for load in [load, load.known(Revision::UNSAVED), load.known(Revision::new(1))] {
            let loaded = store.load(&key, load).await;
            let absent = matches!(loaded, Loaded::Absent);
            store.assert(absent, format_args!("{load:?} of a key never created: {loaded:?}"));
        }
    }
}

/// `Unchanged` is the answer if the known revision is the stored one and the session is alive,
/// and only then. It carries the idle deadline to which the session was touched.
pub async fn load_known_revision(harness: &dyn Harness) {
    let store = Checked::of(load_known_revision, harness);
    let (key, now) = (sample::key(), harness.now());
    let first = sample::record(now);
    let created = store.created(&key, &first).await;
    unchanged(&store, &key, created, first.idle_deadline).await;

    let touched_to = first.idle_deadline.plus(harness.tick());
    store.touched(&key, touched_to).await;
    unchanged(&store, &key, created, touched_to).await;

    let second = sample::record(now);
    let replaced = store.replaced(&key, &second, created).await;
    for known in [created, replaced.next(), Revision::UNSAVED] {
        let load = Load::default().known(known);
        let Some(record) = store.find_with(&key, load).await else {
            store.fail(format_args!("{load:?} of a live session answered Absent"));
        };
        store.same(&record, &second, replaced, "loaded with another revision known");
    }
    unchanged(&store, &key, replaced, second.idle_deadline).await;

    store.deleted(&key).await;
    let loaded = store.load(&key, Load::default().known(replaced)).await;
    let absent = matches!(loaded, Loaded::Absent);
    store.assert(absent, "load with a known revision found a deleted session alive");
}

/// Reading a session neither extends its life nor gives it another revision.
pub async fn load_changes_nothing(harness: &dyn Harness) {
    let store = Checked::of(load_changes_nothing, harness);
    let (key, record) = (sample::key(), sample::record(harness.now()));
    let revision = store.created(&key, &record).await;
    harness.advance(harness.tick()).await;
    for _ in 0..3 {
        store.holds(&key, &record, revision, "loaded again").await;
        unchanged(&store, &key, revision, record.idle_deadline).await;
    }
}

/// Every column comes back as it was written, whichever method wrote it and whichever reads it.
pub async fn records_come_back_as_given(harness: &dyn Harness) {
    let store = Checked::of(records_come_back_as_given, harness);
    let now = harness.now();
    let plain = sample::record(now);
    for (what, record) in sample::nasty_records(now) {
        let key = sample::key();
        let revision = store.created(&key, &record).await;
        store.holds(&key, &record, revision, &format!("{what}, created")).await;

        let answer = store.replace(&key, &plain, revision.next()).await;
        let current = store.conflict(answer, "replace at another revision");
        store.same(&current, &record, revision, &format!("{what}, in a conflict"));

        let revision = store.replaced(&key, &plain, revision).await;
        store.holds(&key, &plain, revision, &format!("{what}, replaced by a plain one")).await;

        let revision = store.replaced(&key, &record, revision).await;
        store.holds(&key, &record, revision, &format!("{what}, replacing a plain one")).await;

        let to = sample::key_beside(&key);
        let revision = store.rotated(&key, &to, &record, revision).await;
        store.holds(&to, &record, revision, &format!("{what}, rotated")).await;

        if let (Some(subject), true) = (&record.subject, store.store.subjects().is_some()) {
            let listed = store.list(subject).await;
            let listed = listed.iter().find(|(listed, _)| *listed == to);
            let Some((_, listed)) = listed else {
                store.fail(format_args!("{what}: not among its subject's sessions"));
            };
            store.same(listed, &record, revision, &format!("{what}, listed"));
        }
    }
}

async fn unchanged(store: &Checked, key: &Key, known: Revision, expected: Timestamp) {
    match store.load(key, Load::default().known(known)).await {
        Loaded::Unchanged { idle_deadline } => store.assert(
            idle_deadline == expected,
            format_args!("Unchanged carries {idle_deadline:?}, not {expected:?}"),
        ),
        other => store.fail(format_args!("load of the known revision answered {other:?}")),
    }
}

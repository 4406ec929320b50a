//! What a store promises beyond the contract, if it does.

use std::time::Duration;

use session_core::{Change, Key, Record, Revision};
use tokio::time::{sleep, timeout};

use crate::checked::Checked;
use crate::clauses::backplane::Listener;
use crate::harness::{Harness, advance_to};
use crate::sample;

/// A store that is [`durable`](session_core::Qualities::durable) still has, after it was closed
/// and opened again, what was acknowledged before: records, revisions, touches, subjects, and
/// the absence of what was deleted or rotated away.
pub async fn durable_survives_reopen(harness: &dyn Harness) {
    let store = Checked::of(durable_survives_reopen, harness);
    if !store.store.qualities().durable {
        return store.skip("the store does not say that it is durable");
    }
    let now = harness.now();
    let mut kept = Vec::new();
    for (what, record) in sample::nasty_records(now) {
        let key = sample::key();
        let revision = store.created(&key, &record).await;
        kept.push((what, key, record, revision));
    }
    let plain = Record { subject: Some(sample::subject()), ..sample::record(now) };

    let (touched, target) = (sample::key(), plain.idle_deadline.plus(harness.tick()));
    let revision = store.created(&touched, &plain).await;
    store.touched(&touched, target).await;
    let record = Record { idle_deadline: target, ..plain.clone() };
    kept.push(("a touched session", touched, record, revision));

    let (from, deleted) = (sample::key(), sample::key());
    let to = sample::key_beside(&from);
    let first = store.created(&from, &plain).await;
    let revision = store.rotated(&from, &to, &plain, first).await;
    kept.push(("a rotated session", to, plain.clone(), revision));
    let last = store.created(&deleted, &plain).await;
    store.deleted(&deleted).await;

    // Some stores can be open only once at a time.
    store.answer("flush", store.store.flush().await);
    drop(store);
    let store = Checked::reopened(durable_survives_reopen, harness).await;
    for (what, key, record, revision) in &kept {
        store.holds(key, record, *revision, &format!("{what}, reopened")).await;
        let written = store.replaced(key, record, *revision).await;
        let risen = written > *revision;
        store.assert(risen, "a write after reopening has no higher revision");
    }
    if let (Some(subject), true) = (&plain.subject, store.store.subjects().is_some()) {
        let listed = store.list(subject).await.len();
        store.assert(listed == 2, format_args!("{listed} of 2 sessions listed after reopening"));
    }
    store.dead(&from, first, harness.now(), "rotated away before the store was reopened").await;
    store.dead(&deleted, last, harness.now(), "deleted before the store was reopened").await;
}

/// A store that is [`shared`](session_core::Qualities::shared) shows through one handle what was
/// acknowledged through another: at once to strong reads, to all reads after a fence, and
/// through its backplane.
pub async fn shared_is_seen_by_others(harness: &dyn Harness) {
    let store = Checked::of(shared_is_seen_by_others, harness);
    if !store.store.qualities().shared {
        return store.skip("the store does not say that it is shared");
    }
    let here = store.clone();
    let there = Checked::reopened(shared_is_seen_by_others, harness).await;
    let now = harness.now();

    for (writer, reader) in [(&here, &there), (&there, &here)] {
        let from = sample::key();
        let to = sample::key_beside(&from);
        let listener = match store.store.backplane() {
            Some(_) => Listener::on(reader, &from).await,
            None => None,
        };
        let records = [0; 3].map(|_| sample::record(now));
        let created = writer.created(&from, &records[0]).await;
        seen(reader, &from, &records[0], created, "created elsewhere").await;
        // A cache that answers has to know about the next write.
        reader.found(&from, "created elsewhere").await;

        let replaced = writer.replaced(&from, &records[1], created).await;
        seen(reader, &from, &records[1], replaced, "replaced elsewhere").await;
        let answer = reader.replace(&from, &records[0], created).await;
        reader.conflict(answer, "replace at a revision replaced elsewhere");
        reader.answer("fence", writer.store.fence().await);
        reader.holds(&from, &records[1], replaced, "replaced elsewhere before a fence").await;

        let rotated = writer.rotated(&from, &to, &records[2], replaced).await;
        let old = reader.find_strong(&from).await;
        reader.assert(old.is_none(), "a key rotated away elsewhere is alive");
        seen(reader, &to, &records[2], rotated, "rotated elsewhere").await;

        let idle_deadline = records[2].idle_deadline.plus(harness.tick());
        writer.touched(&to, idle_deadline).await;
        reader.answer("flush", writer.store.flush().await);
        let touched = Record { idle_deadline, ..records[2].clone() };
        seen(reader, &to, &touched, rotated, "touched elsewhere").await;

        writer.deleted(&to).await;
        let found = reader.find_strong(&to).await;
        reader.assert(found.is_none(), "a session deleted elsewhere is alive");
        reader.answer("fence", writer.store.fence().await);
        for key in [from, to] {
            reader.dead(&key, rotated, now, "deleted or rotated elsewhere before a fence").await;
        }
        let Some(mut listener) = listener else { continue };
        let heard = listener.changes_of(&[from, to]).await;
        let revisions =
            [(0, created), (0, replaced), (1, rotated)].map(|(at, it)| (at, Change::Revision(it)));
        for change in revisions.into_iter().chain([(0, Change::Removed), (1, Change::Removed)]) {
            let message = format!("{change:?} was not announced elsewhere");
            reader.assert(heard.contains(&change), message);
        }
    }
}

/// A store with [`native_expiry`](session_core::Qualities::native_expiry) frees the room of
/// expired sessions by itself, and leaves that of live ones.
pub async fn native_expiry_frees(harness: &dyn Harness) {
    const EXPIRED: usize = 5;
    /// Ticks that a sweep may be late; servers sweep at random, a few times a second.
    const SWEEPS: usize = 1_000;
    let store = Checked::of(native_expiry_frees, harness);
    if !store.store.qualities().native_expiry {
        return store.skip("the store does not say that it has native expiry");
    }
    let Some(before) = harness.occupied().await else {
        store.fail("native expiry is claimed, but the harness cannot tell what takes up room");
    };
    let (now, tick) = (harness.now(), harness.tick());
    let short = sample::record_living(now, tick * 5);
    let live = sample::key();
    // What was planned for an earlier session at this key must not end the later one.
    store.created(&live, &Record { absolute_deadline: short.idle_deadline, ..short.clone() }).await;
    store.deleted(&live).await;
    let long = Record {
        idle_deadline: now.plus(Duration::from_secs(365 * 86_400)),
        absolute_deadline: now.plus(Duration::from_secs(365 * 86_400)),
        ..short.clone()
    };
    store.created(&live, &long).await;
    for _ in 0..EXPIRED {
        store.created(&sample::key(), &short).await;
    }
    advance_to(harness, short.idle_deadline).await;
    for _ in 0..SWEEPS {
        if harness.occupied().await == Some(before + 1) {
            return drop(store.found(&live, "after the others have expired").await);
        }
        harness.advance(tick).await;
        // With a manual clock no time has passed for whatever sweeps in the background.
        sleep(Duration::from_millis(5)).await;
    }
    let occupied = harness.occupied().await;
    store.fail(format_args!(
        "beside {before} before, {occupied:?} sessions take up room, of which one is alive"
    ));
}

/// `fence` returns in a time that a log-out can wait for, on an idle store as on a busy one.
pub async fn fence_returns(harness: &dyn Harness) {
    let store = Checked::of(fence_returns, harness);
    let key = sample::key();
    for step in 0..3 {
        let Ok(fenced) = timeout(PATIENCE, store.store.fence()).await else {
            store.fail(format_args!("fence {step} did not return within {PATIENCE:?}"));
        };
        store.answer("fence", fenced);
        store.delete(&key).await;
        store.created(&key, &sample::record(harness.now())).await;
    }
}

/// `flush` returns in a time that the end of a process can wait for. What was acknowledged before
/// it, touches included, is then seen by strong reads, also by those of other processes if the
/// store is [`shared`](session_core::Qualities::shared).
pub async fn flush_returns(harness: &dyn Harness) {
    let store = Checked::of(flush_returns, harness);
    let handles = store.handles(harness).await;
    for step in 0..3 {
        let (key, dead) = (sample::key(), sample::key());
        let record = sample::record(harness.now());
        let created = store.created(&key, &record).await;
        let revision = store.replaced(&key, &record, created).await;
        let idle_deadline = record.idle_deadline.plus(harness.tick());
        store.touched(&key, idle_deadline).await;
        store.created(&dead, &record).await;
        store.deleted(&dead).await;

        let Ok(flushed) = timeout(PATIENCE, store.store.flush()).await else {
            store.fail(format_args!("flush {step} did not return within {PATIENCE:?}"));
        };
        store.answer("flush", flushed);
        let touched = Record { idle_deadline, ..record };
        for handle in &handles {
            seen(handle, &key, &touched, revision, "flushed").await;
            let found = handle.find_strong(&dead).await;
            handle.assert(found.is_none(), "a session deleted before a flush is alive");
        }
    }
}

/// Fails unless a strong read shows `record`.
async fn seen(reader: &Checked, key: &Key, record: &Record, revision: Revision, when: &str) {
    match reader.find_strong(key).await {
        Some(found) => reader.same(&found, record, revision, when),
        None => reader.fail(format_args!("{when}: not seen by a strong read")),
    }
}

/// How long a fence or a flush may take.
const PATIENCE: Duration = Duration::from_secs(30);

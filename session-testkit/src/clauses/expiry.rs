//! When sessions end by themselves.

use session_core::{Created, Key, Load, Loaded, Record, Replaced, Revision, Timestamp, Touched};

use crate::checked::{Checked, name};
use crate::harness::{Harness, advance_to};
use crate::sample;

/// What a method may be the first to do to an expired session, before any other had a chance to
/// clean up.
#[derive(Clone, Copy, Debug)]
enum First {
    Load,
    LoadKnown,
    Create,
    Replace,
    RotateFrom,
    RotateTo,
    Touch,
    Delete,
}

const FIRSTS: [First; 8] = [
    First::Load,
    First::LoadKnown,
    First::Create,
    First::Replace,
    First::RotateFrom,
    First::RotateTo,
    First::Touch,
    First::Delete,
];

/// An expired session, by the idle or the absolute deadline, is absent for whichever method
/// comes first: `load` finds nothing, `replace` and `rotate` answer `Gone`, `touch` does not
/// revive it, `delete` says it was not there, and `create` and `rotate` may take its key.
pub async fn expired_is_absent(harness: &dyn Harness) {
    let store = Checked::of(expired_is_absent, harness);
    let (now, tick) = (harness.now(), harness.tick());
    let end = now.plus(tick * 5);
    let idle = sample::record_living(now, tick * 5);
    let absolute = Record { absolute_deadline: end, ..idle.clone() };
    let touched = Record { idle_deadline: now.plus(tick * 4), ..absolute.clone() };

    let mut sessions = Vec::new();
    for (what, record) in [
        ("past its idle deadline", &idle),
        ("past both deadlines", &absolute),
        ("touched up to its absolute deadline and past it", &touched),
    ] {
        for first in FIRSTS {
            let key = sample::key();
            let revision = store.created(&key, record).await;
            if record.idle_deadline < end {
                store.touched(&key, end.plus(tick)).await;
            }
            sessions.push((first, key, revision, what));
        }
    }
    advance_to(harness, end).await;
    for (first, key, revision, what) in sessions {
        let when = format!("{first:?} first of a session {what}");
        be_first(&store, first, &key, revision, harness.now(), &when).await;
    }
}

async fn be_first(
    store: &Checked,
    first: First,
    key: &Key,
    revision: Revision,
    now: Timestamp,
    when: &str,
) {
    let record = sample::record(now);
    match first {
        First::Load => store.absent(key, when).await,
        First::LoadKnown => {
            let loaded = store.load(key, Load::default().known(revision)).await;
            store.assert(matches!(loaded, Loaded::Absent), format_args!("{when}: {loaded:?}"));
        }
        First::Create => match store.create(key, &record).await {
            Created::Created(revision) => return store.holds(key, &record, revision, when).await,
            Created::Duplicate => store.fail(format_args!("{when} answered Duplicate")),
        },
        First::Replace => {
            let answer = store.replace(key, &record, revision).await;
            store.gone(&answer, when);
        }
        First::RotateFrom => {
            let to = sample::key_beside(key);
            let answer = store.rotate(key, &to, &record, revision).await;
            store.gone(&answer, when);
            store.absent(&to, when).await;
        }
        First::RotateTo => {
            let from = sample::key_beside(key);
            let revision = store.created(&from, &record).await;
            return match store.rotate(&from, key, &record, revision).await {
                Replaced::Replaced(revision) => store.holds(key, &record, revision, when).await,
                other => store.fail(format_args!("{when} answered {}", name(&other))),
            };
        }
        First::Touch => {
            let answer = store.touch_one(key, record.idle_deadline).await;
            store.assert(answer == Touched::Gone, format_args!("{when} answered {answer:?}"));
        }
        First::Delete => {
            let was_there = store.delete(key).await;
            store.assert(!was_there, format_args!("{when} answered that it was there"));
        }
    }
    store.dead(key, revision, now, when).await;
}

/// The deadline is the first moment after the end: a millisecond before it the session is alive,
/// at it the session is absent.
pub async fn expired_at_the_deadline(harness: &dyn Harness) {
    let store = Checked::of(expired_at_the_deadline, harness);
    let (now, tick) = (harness.now(), harness.tick());
    let end = now.plus(tick * 5);
    let idle = sample::record_living(now, tick * 5);
    let absolute = Record { absolute_deadline: end, ..idle.clone() };
    let sessions = [(sample::key(), idle), (sample::key(), absolute)];
    let mut revisions = Vec::new();
    for (key, record) in &sessions {
        revisions.push(store.created(key, record).await);
    }
    advance_to(harness, Timestamp::from_millis(end.as_millis() - 1)).await;
    for (key, _) in &sessions {
        let found = store.find(key).await;
        // Where time is real it may have passed the deadline meanwhile, and nothing is shown.
        let in_time = harness.now() < end;
        store.assert(found.is_some() || !in_time, "absent a millisecond before its deadline");
    }
    advance_to(harness, end).await;
    for ((key, _), revision) in sessions.iter().zip(revisions) {
        store.dead(key, revision, harness.now(), "at its deadline").await;
    }
}

/// `purge_expired` frees no more than its limit, all that is expired if it is called often
/// enough, and never a live session: neither one that was touched or replaced beyond a deadline
/// that has passed, nor one created anew on the key of an expired one. With native expiry there
/// is nothing to do, and the answer is 0.
pub async fn purge_is_bounded(harness: &dyn Harness) {
    const EXPIRED: usize = 5;
    let store = Checked::of(purge_is_bounded, harness);
    let native = store.store.qualities().native_expiry;
    purge_all(&store, 100).await;
    let occupied_before = harness.occupied().await;

    let [plain, touched, replaced, reborn] = std::array::from_fn(|_| sample::key());
    let first_life = sample::record_living(harness.now(), harness.tick() * 5);
    store.created(&reborn, &first_life).await;
    advance_to(harness, first_life.idle_deadline).await;
    store.created(&reborn, &sample::record(harness.now())).await;

    // No write comes once these have expired: a store may free some on the way of any.
    let (now, tick) = (harness.now(), harness.tick());
    let (long, short) = (sample::record(now), sample::record_living(now, tick * 5));
    for _ in 0..EXPIRED {
        store.created(&sample::key(), &short).await;
    }
    store.created(&plain, &long).await;
    store.created(&touched, &short).await;
    store.touched(&touched, long.idle_deadline).await;
    let revision = store.created(&replaced, &short).await;
    store.replaced(&replaced, &long, revision).await;
    advance_to(harness, short.idle_deadline).await;

    store.purge(0).await;
    let freed = purge_all(&store, 2).await;
    let expected = if native { 0 } else { EXPIRED };
    store.assert(
        freed == expected,
        format_args!("of {EXPIRED} expired sessions purge_expired(2) freed {freed} in the end"),
    );
    for (key, what) in [
        (plain, "a live session"),
        (touched, "a touched session"),
        (replaced, "a replaced session"),
        (reborn, "a session created on an expired key"),
    ] {
        store.found(&key, &format!("{what} after purge_expired")).await;
    }
    if let (Some(before), Some(after), false) = (occupied_before, harness.occupied().await, native)
    {
        let kept = after.saturating_sub(before);
        let message = format!("{kept} sessions take up room after purge_expired, not 4");
        store.assert(kept == 4, message);
    }
}

/// Purges until there is nothing left and tells how many went.
async fn purge_all(store: &Checked, limit: usize) -> usize {
    let mut freed = 0;
    for _ in 0..10_000 {
        match store.purge(limit).await {
            0 => return freed,
            more => freed += more,
        }
    }
    store.fail("purge_expired never answers 0")
}

//! What a call leaves behind that is dropped halfway.
//!
//! Each clause drops calls after no poll, after one, after two and so on, until the call gets to
//! its end. Of a dropped call the contract says that it has happened, will happen, or has not
//! happened, each as a whole; so the clauses look for what is neither before nor after, and then
//! make sure that the store still works.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use session_core::{Key, Record, Replaced, Revision, Touch};

use crate::checked::Checked;
use crate::clauses::concurrent_rotation::one_alive;
use crate::harness::Harness;
use crate::sample;

/// How often each point is tried: with a server it depends on timing how far a call gets.
const ROUNDS: usize = 5;
/// More polls than any call takes.
const POLLS: usize = 200;
/// A late write may still overtake the one or other call.
const TRIES: usize = 100;

/// A dropped `create` leaves a whole session, listed for its subject, or none.
pub async fn cancelled_create(harness: &dyn Harness) {
    let store = Checked::of(cancelled_create, harness);
    for polls in points() {
        let key = sample::key();
        let record = Record { subject: Some(sample::subject()), ..sample::record(harness.now()) };
        let done = drop_after(polls, store.store.create(&key, &record)).await;
        if let Some(found) = store.find(&key).await {
            store.same(&found, &record, found.revision, "left by a dropped create");
            listed(&store, &key, &record).await;
            still_works(&store, &key, &record, found.revision).await;
        }
        if done.is_some() {
            return;
        }
    }
    store.fail(format_args!("create was not done after {POLLS} polls"));
}

/// A dropped `replace` leaves the record before, at its revision, or the record after, at a
/// higher one.
pub async fn cancelled_replace(harness: &dyn Harness) {
    let store = Checked::of(cancelled_replace, harness);
    for polls in points() {
        let key = sample::key();
        let (before, after) = (sample::record(harness.now()), sample::record(harness.now()));
        let after = Record { subject: Some(sample::subject()), ..after };
        let first = store.created(&key, &before).await;
        let done = drop_after(polls, store.store.replace(&key, &after, first)).await;
        let found = store.found(&key, "after a dropped replace").await;
        if found.revision == first {
            store.same(&found, &before, first, "at the revision before a dropped replace");
        } else {
            store.assert(found.revision > first, "a dropped replace took the revision back");
            store.same(&found, &after, found.revision, "left by a dropped replace");
            listed(&store, &key, &after).await;
        }
        still_works(&store, &key, &before, first).await;
        if done.is_some() {
            return;
        }
    }
    store.fail(format_args!("replace was not done after {POLLS} polls"));
}

/// A dropped `rotate` leaves one key alive and the other dead.
pub async fn cancelled_rotate(harness: &dyn Harness) {
    let store = Checked::of(cancelled_rotate, harness);
    for polls in points() {
        let from = sample::key();
        let to = sample::key_beside(&from);
        let subject = Some(sample::subject());
        let before = Record { subject: subject.clone(), ..sample::record(harness.now()) };
        let after = Record { subject, ..sample::record(harness.now()) };
        let first = store.created(&from, &before).await;
        let done = drop_after(polls, store.store.rotate(&from, &to, &after, first)).await;
        let alive = one_alive(&store, &from, &to).await;
        if alive == to {
            let found = store.found(&to, "left by a dropped rotate").await;
            store.assert(found.revision > first, "a dropped rotate gave no higher revision");
            store.same(&found, &after, found.revision, "left by a dropped rotate");
            listed(&store, &to, &after).await;
            still_works(&store, &to, &after, found.revision).await;
            store.dead(&from, first, harness.now(), "the old key of a dropped rotate").await;
        } else {
            // A replace keeps the old key alive only if the rotation has not landed before it.
            let answer = store.replace(&from, &before, first).await;
            let landed = match answer {
                Replaced::Replaced(_) => false,
                Replaced::Gone => true,
                Replaced::Conflict(_) => store.fail("a dropped rotate left another revision"),
            };
            let alive = one_alive(&store, &from, &to).await;
            let expected = if landed { to } else { from };
            store.assert(alive == expected, "a dropped rotate landed at a later revision");
        }
        if done.is_some() {
            return;
        }
    }
    store.fail(format_args!("rotate was not done after {POLLS} polls"));
}

/// A dropped `touch` leaves the idle deadline before or the one after, and nothing else changed.
pub async fn cancelled_touch(harness: &dyn Harness) {
    let store = Checked::of(cancelled_touch, harness);
    for polls in points() {
        let (key, record) = (sample::key(), sample::record(harness.now()));
        let first = store.created(&key, &record).await;
        let idle_deadline = record.idle_deadline.plus(harness.tick());
        let touches = [Touch { key, idle_deadline }];
        let done = drop_after(polls, store.store.touch(&touches)).await;
        let found = store.found(&key, "after a dropped touch").await;
        let touched = Record { idle_deadline, ..record.clone() };
        let expected = if found.idle_deadline == idle_deadline { &touched } else { &record };
        store.same(&found, expected, first, "after a dropped touch");
        // With the later deadline, to which a touch that lands late makes no difference.
        still_works(&store, &key, &touched, first).await;
        if done.is_some() {
            return;
        }
    }
    store.fail(format_args!("touch was not done after {POLLS} polls"));
}

/// A dropped `delete` leaves the whole session or none.
pub async fn cancelled_delete(harness: &dyn Harness) {
    let store = Checked::of(cancelled_delete, harness);
    for polls in points() {
        let key = sample::key();
        let record = Record { subject: Some(sample::subject()), ..sample::record(harness.now()) };
        let first = store.created(&key, &record).await;
        let done = drop_after(polls, store.store.delete(&key)).await;
        match store.find(&key).await {
            Some(found) => {
                store.same(&found, &record, first, "after a dropped delete");
                listed(&store, &key, &record).await;
            }
            None => store.dead(&key, first, harness.now(), "after a dropped delete").await,
        }
        store.delete(&key).await;
        store.dead(&key, first, harness.now(), "deleted after a dropped delete").await;
        if done.is_some() {
            return;
        }
    }
    store.fail(format_args!("delete was not done after {POLLS} polls"));
}

/// The points at which calls are dropped, in order.
fn points() -> impl Iterator<Item = usize> {
    (0..POLLS).flat_map(|polls| std::iter::repeat_n(polls, ROUNDS))
}

/// Polls a call so many times at most and then drops it. The answer, if it got that far.
async fn drop_after<T>(polls: usize, call: impl Future<Output = T> + Send) -> Option<T> {
    let mut call = pin!(call);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match call.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            // After the last poll there is nothing to wait for.
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// What is alive is listed for its subject, at every crash point of the writer. It was alive
/// before the call; a late delete may end it.
async fn listed(store: &Checked, key: &Key, record: &Record) {
    if let (Some(subject), true) = (&record.subject, store.store.subjects().is_some()) {
        let listed = store.list(subject).await.iter().any(|(listed, _)| listed == key);
        let excused = listed || store.find_strong(key).await.is_none();
        store.assert(excused, "a session left by a dropped call is not listed for its subject");
    }
}

/// Ordinary writes after the dropped call succeed and stay.
async fn still_works(store: &Checked, key: &Key, record: &Record, last: Revision) {
    let last_word = Record { payload: sample::record(record.created_at).payload, ..record.clone() };
    let mut expected = last;
    for _ in 0..TRIES {
        match store.replace(key, &last_word, expected).await {
            Replaced::Replaced(revision) => {
                return store
                    .holds(key, &last_word, revision, "written after a dropped call")
                    .await;
            }
            Replaced::Conflict(current) => expected = current.revision,
            Replaced::Gone => store.fail("a live session was gone after a dropped call"),
        }
    }
    store.fail("a session does not come to rest after a dropped call");
}

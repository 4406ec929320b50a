//! What `touch` does.

use session_core::{Key, Record, Timestamp, Touch, Touched};

use crate::checked::Checked;
use crate::harness::{Harness, advance_to};
use crate::sample;

/// `touch` moves the idle deadline forward: never backward, never past the absolute deadline,
/// and the session lives accordingly.
pub async fn touch_only_extends(harness: &dyn Harness) {
    let store = Checked::of(touch_only_extends, harness);
    let (key, now, tick) = (sample::key(), harness.now(), harness.tick());
    let after = |ticks| now.plus(tick * ticks);
    let record =
        Record { idle_deadline: after(5), absolute_deadline: after(15), ..sample::record(now) };
    let revision = store.created(&key, &record).await;

    let steps = [
        (after(10), after(10), "forward"),
        (after(10), after(10), "to where it was"),
        (after(2), after(10), "backward"),
        (Timestamp::from_millis(0), after(10), "back to the epoch"),
    ];
    for (target, expected, what) in steps {
        store.touched(&key, target).await;
        let touched = Record { idle_deadline: expected, ..record.clone() };
        store.holds(&key, &touched, revision, &format!("touched {what}")).await;
    }
    advance_to(harness, record.idle_deadline).await;
    store.found(&key, "past the idle deadline before a touch that set a later one").await;

    for target in [after(1_000), Timestamp::MAX] {
        store.touched(&key, target).await;
        let touched = Record { idle_deadline: record.absolute_deadline, ..record.clone() };
        store.holds(&key, &touched, revision, "touched past the absolute deadline").await;
    }
    advance_to(harness, record.absolute_deadline).await;
    store.dead(&key, revision, harness.now(), "past the absolute deadline").await;
}

/// `touch` of a session that is missing, was deleted or was rotated away answers `Gone`, and the
/// key stays absent.
pub async fn touch_never_creates(harness: &dyn Harness) {
    let store = Checked::of(touch_never_creates, harness);
    let now = harness.now();
    let record = sample::record(now);
    let (missing, deleted, rotated) = (sample::key(), sample::key(), sample::key());
    store.created(&deleted, &record).await;
    store.deleted(&deleted).await;
    let revision = store.created(&rotated, &record).await;
    store.rotated(&rotated, &sample::key_beside(&rotated), &record, revision).await;

    for (key, what) in [(missing, "a missing"), (deleted, "a deleted"), (rotated, "a rotated")] {
        let answer = store.touch_one(&key, record.absolute_deadline).await;
        let message = format!("touch of {what} session answered {answer:?}");
        store.assert(answer == Touched::Gone, message);
        store.dead(&key, revision, now, &format!("after touch of {what} session")).await;
    }
}

/// A touch is no write: the revision stays, and a `replace` that was prepared before it succeeds.
pub async fn touch_keeps_the_revision(harness: &dyn Harness) {
    let store = Checked::of(touch_keeps_the_revision, harness);
    let (key, now) = (sample::key(), harness.now());
    let record = Record { subject: Some(sample::subject()), ..sample::record(now) };
    let revision = store.created(&key, &record).await;

    let idle_deadline = record.idle_deadline.plus(harness.tick());
    store.touched(&key, idle_deadline).await;
    let touched = Record { idle_deadline, ..record };
    store.holds(&key, &touched, revision, "touched").await;
    store.replaced(&key, &touched, revision).await;
}

/// A batch is answered touch by touch, in order, whatever mix of live, dead and repeated keys it
/// holds, and however long it is.
pub async fn touch_many(harness: &dyn Harness) {
    let store = Checked::of(touch_many, harness);
    let now = harness.now();
    let record = sample::record(now);
    let after = |ticks| record.idle_deadline.plus(harness.tick() * ticks);
    let touch = |key, ticks| Touch { key, idle_deadline: after(ticks) };

    let answers = store.touch(&[]).await;
    store.assert(answers.is_empty(), "an empty batch has answers");

    let [one, two, bystander, deleted, missing] = std::array::from_fn(|_| sample::key());
    let revision = store.created(&one, &record).await;
    store.created(&two, &record).await;
    store.created(&bystander, &record).await;
    store.created(&deleted, &record).await;
    store.deleted(&deleted).await;

    let batch = [
        touch(missing, 1),
        touch(one, 2),
        touch(deleted, 3),
        touch(two, 1),
        touch(one, 4),
        touch(one, 3),
        touch(missing, 2),
    ];
    let answers = store.touch(&batch).await;
    let (done, gone) = (Touched::Done, Touched::Gone);
    store.assert(
        answers == [gone, done, gone, done, done, done, gone],
        format_args!("a batch of gone, live, gone, live, live, live, gone answered {answers:?}"),
    );
    for (key, idle_deadline, what) in [
        (one, after(4), "touched three times in one batch"),
        (two, after(1), "touched among others"),
        (bystander, record.idle_deadline, "not touched at all"),
    ] {
        let found = store.found(&key, what).await;
        let idle = found.idle_deadline;
        store
            .assert(idle == idle_deadline, format_args!("{what}: {idle:?}, not {idle_deadline:?}"));
    }
    store.dead(&deleted, revision, now, "touched in a batch after a delete").await;
    store.dead(&missing, revision, now, "touched in a batch without ever being there").await;
    touch_a_thousand(&store, two, after(5)).await;
}

/// A node under load flushes hundreds of touches at once, and a statement takes only so many
/// parameters.
async fn touch_a_thousand(store: &Checked, live: Key, idle_deadline: Timestamp) {
    let is_live = |index| index % 100 == 99;
    let batch: Vec<Touch> = (0..1_000)
        .map(|index| if is_live(index) { live } else { sample::key() })
        .map(|key| Touch { key, idle_deadline })
        .collect();
    for (index, answer) in store.touch(&batch).await.into_iter().enumerate() {
        let expected = if is_live(index) { Touched::Done } else { Touched::Gone };
        let message = format!("answer {index} of a batch of 1,000 is {answer:?}");
        store.assert(answer == expected, message);
    }
}

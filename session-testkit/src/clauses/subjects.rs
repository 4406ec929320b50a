//! What the index of subjects lists.

use std::sync::Arc;

use session_core::{Key, Record, Subject, SubjectIndex};

use crate::checked::{Checked, together};
use crate::clauses::concurrency::TASKS;
use crate::harness::{Harness, advance_to};
use crate::sample;

const NO_INDEX: &str = "the store keeps no index of subjects";

/// Every live session of a subject is listed, as `load` shows it and in the order of the keys:
/// also one that outlived its first deadline because it was touched or replaced.
pub async fn subjects_lists_every_session(harness: &dyn Harness) {
    let store = Checked::of(subjects_lists_every_session, harness);
    let Some(_) = index(&store) else { return };
    let (now, tick, subject) = (harness.now(), harness.tick(), sample::subject());
    let long = owned(&subject, sample::record(now));
    let short = owned(&subject, sample::record_living(now, tick * 5));
    let mut keys: Vec<Key> = (0..6).map(|_| sample::key()).collect();
    // Two sessions in one partition, too.
    keys.push(sample::key_beside(&keys[0]));
    for (index, key) in keys.iter().enumerate() {
        let record = if index < 2 { &short } else { &long };
        let revision = store.created(key, record).await;
        match index {
            0 => store.touched(key, long.idle_deadline).await,
            1 | 2 => drop(store.replaced(key, &long, revision).await),
            _ => {}
        }
    }
    keys.sort();
    lists(&store, &subject, &keys, "its live sessions").await;
    advance_to(harness, short.idle_deadline).await;
    lists(&store, &subject, &keys, "its live sessions, past the first deadline of two").await;
}

/// Nothing is listed that was deleted, has expired, has no subject or another one, however much
/// it looks like this one.
pub async fn subjects_lists_nothing_else(harness: &dyn Harness) {
    let store = Checked::of(subjects_lists_nothing_else, harness);
    let Some(_) = index(&store) else { return };
    let (now, tick, subject) = (harness.now(), harness.tick(), sample::subject());
    lists(&store, &subject, &[], "a subject without sessions").await;

    let mine = sample::key();
    store.created(&mine, &owned(&subject, sample::record(now))).await;
    store.created(&sample::key(), &sample::record(now)).await;
    for other in sample::similar_subjects(&subject) {
        let key = sample::key();
        store.created(&key, &owned(&other, sample::record(now))).await;
        let listed = store.list(&other).await;
        let (own, foreign) = (has(&listed, &key), has(&listed, &mine));
        let message = format!("{:?} has the sessions of {:?}", other.as_str(), subject.as_str());
        store.assert(own && !foreign, message);
    }
    let deleted = sample::key();
    store.created(&deleted, &owned(&subject, sample::record(now))).await;
    store.deleted(&deleted).await;

    let idle = owned(&subject, sample::record_living(now, tick * 5));
    let absolute = Record { absolute_deadline: idle.idle_deadline, ..idle.clone() };
    store.created(&sample::key(), &idle).await;
    store.created(&sample::key(), &absolute).await;
    advance_to(harness, idle.idle_deadline).await;
    lists(&store, &subject, &[mine], "one live session among deleted, expired and foreign").await;
}

/// A walk over pages sees in the order of the keys, exactly once, what was there before and
/// stays: whatever the limit, and though sessions come and go meanwhile.
pub async fn subjects_pages(harness: &dyn Harness) {
    let store = Checked::of(subjects_pages, harness);
    let Some(_) = index(&store) else { return };
    let (now, subject) = (harness.now(), sample::subject());
    let record = owned(&subject, sample::record(now));
    let mut keys: Vec<Key> = (0..9).map(|_| sample::key()).collect();
    keys.sort();
    for key in &keys {
        store.created(key, &record).await;
    }
    for limit in [1, 2, 3, 4, 8, 9, 10, 1_000] {
        let mut walk = Walk::new(&store, &subject, limit);
        while walk.turn_page().await {}
        let message = format!("pages of {limit} are not the sessions in order");
        store.assert(walk.seen == keys, message);
    }
    // The last key of each page goes before the next page is asked for, and new sessions come.
    let mut passing = Vec::new();
    let mut walk = Walk::new(&store, &subject, 2);
    while walk.turn_page().await {
        let newcomer = sample::key();
        store.created(&newcomer, &record).await;
        passing.push(newcomer);
        if let Some(last) = walk.seen.last() {
            store.delete(last).await;
            passing.push(*last);
        }
    }
    let walked = walk.seen;
    let ordered = walked.is_sorted_by(|one, next| one < next);
    store.assert(ordered, "a walk beside changes is out of order or sees a session twice");
    let stayed = keys.iter().filter(|key| !passing.contains(key)).copied();
    let seen: Vec<Key> = walked.into_iter().filter(|key| !passing.contains(key)).collect();
    store.assert(stayed.eq(seen), "a walk beside changes missed a session that stayed");
}

/// After a rotation the new key is listed and the old one is not; a rotation that changes the
/// subject, as a log-in does, moves the session from one list to the other.
pub async fn subjects_follow_rotation(harness: &dyn Harness) {
    let store = Checked::of(subjects_follow_rotation, harness);
    let Some(_) = index(&store) else { return };
    let now = harness.now();
    let (anna, ben) = (sample::subject(), sample::subject());
    let record = sample::record(now);

    let [guest, hers, hers_again, his, nobodys]: [Key; 5] = {
        let first = sample::key();
        std::array::from_fn(|index| if index == 0 { first } else { sample::key_beside(&first) })
    };
    let revision = store.created(&guest, &record).await;
    let revision = store.rotated(&guest, &hers, &owned(&anna, record.clone()), revision).await;
    lists(&store, &anna, &[hers], "a session rotated to a subject").await;
    let rotated = owned(&anna, record.clone());
    let revision = store.rotated(&hers, &hers_again, &rotated, revision).await;
    lists(&store, &anna, &[hers_again], "a session rotated under its subject").await;
    let revision = store.rotated(&hers_again, &his, &owned(&ben, record.clone()), revision).await;
    lists(&store, &anna, &[], "a session rotated to another subject").await;
    lists(&store, &ben, &[his], "a session rotated from another subject").await;
    store.rotated(&his, &nobodys, &record, revision).await;
    lists(&store, &ben, &[], "a session rotated to no subject").await;
}

/// A replace that changes the subject moves the session from one list to the other; one that
/// keeps it leaves it listed once.
pub async fn subjects_follow_replace(harness: &dyn Harness) {
    let store = Checked::of(subjects_follow_replace, harness);
    let Some(_) = index(&store) else { return };
    let (key, now) = (sample::key(), harness.now());
    let (anna, ben) = (sample::subject(), sample::subject());
    let record = sample::record(now);
    let mut revision = store.created(&key, &record).await;
    for (subject, what) in [
        (Some(&anna), "given a subject"),
        (Some(&anna), "replaced under its subject"),
        (Some(&ben), "given another subject"),
        (None, "left without a subject"),
        (Some(&anna), "given its first subject again"),
    ] {
        let record = Record { subject: subject.cloned(), ..record.clone() };
        revision = store.replaced(&key, &record, revision).await;
        for listed in [&anna, &ben] {
            let keys: &[Key] = if subject == Some(listed) { &[key] } else { &[] };
            lists(&store, listed, keys, what).await;
        }
    }
}

/// While sessions of one subject are created, rotated and deleted by many tasks, each task finds
/// what it has just written in the list, and what it has just deleted or rotated away not in it.
pub async fn concurrent_subjects(harness: &dyn Harness) {
    let store = Checked::of(concurrent_subjects, harness);
    let Some(_) = index(&store) else { return };
    let handles = store.handles(harness).await;
    let (now, subject) = (harness.now(), sample::subject());
    let kept = together(handles.iter().cycle().take(TASKS).cloned().map(|store| {
        let (subject, record) = (subject.clone(), owned(&subject, sample::record(now)));
        async move {
            let mut kept = Vec::new();
            for round in 0..20 {
                let first = sample::key();
                let revision = store.created(&first, &record).await;
                let listed = has(&store.list(&subject).await, &first);
                store.assert(listed, "a session just created is not listed");

                let second = sample::key_beside(&first);
                store.rotated(&first, &second, &record, revision).await;
                let sessions = store.list(&subject).await;
                store.assert(has(&sessions, &second), "a session just rotated is not listed");
                store.assert(!has(&sessions, &first), "a key just rotated away is listed");

                if round % 5 == 0 {
                    kept.push(second);
                } else {
                    store.deleted(&second).await;
                    let listed = has(&store.list(&subject).await, &second);
                    store.assert(!listed, "a session just deleted is listed");
                }
            }
            kept
        }
    }))
    .await;
    let mut kept = kept.concat();
    kept.sort();
    lists(&store, &subject, &kept, "what concurrent tasks left").await;
}

fn index(store: &Checked) -> Option<&dyn SubjectIndex> {
    let index = store.store.subjects();
    if index.is_none() {
        store.skip(NO_INDEX);
    }
    index
}

fn owned(subject: &Subject, record: Record) -> Record {
    Record { subject: Some(subject.clone()), ..record }
}

fn has(sessions: &[(Key, Arc<Record>)], key: &Key) -> bool {
    sessions.iter().any(|(listed, _)| listed == key)
}

/// Fails unless exactly these keys, which are in order, are listed, each as `load` shows it.
async fn lists(store: &Checked, subject: &Subject, keys: &[Key], when: &str) {
    let sessions = store.list(subject).await;
    let listed: Vec<Key> = sessions.iter().map(|(key, _)| *key).collect();
    let message = format!("{when}: {} sessions are listed, not {}", listed.len(), keys.len());
    store.assert(listed.len() == keys.len(), message);
    store.assert(listed == keys, format_args!("{when}: other keys, or another order"));
    for (key, record) in &sessions {
        let loaded = store.found(key, when).await;
        store.same(record, &loaded, loaded.revision, &format!("{when}, as listed"));
    }
}

/// The way through the pages of a subject's sessions.
struct Walk<'a> {
    store: &'a Checked,
    subject: &'a Subject,
    limit: usize,
    after: Option<Key>,
    seen: Vec<Key>,
}

impl<'a> Walk<'a> {
    fn new(store: &'a Checked, subject: &'a Subject, limit: usize) -> Self {
        Self { store, subject, limit, after: None, seen: Vec::new() }
    }

    /// Reads a page and tells whether there is another.
    async fn turn_page(&mut self) -> bool {
        let Self { store, subject, limit, after, seen } = self;
        let Some(index) = store.store.subjects() else { return false };
        let page = store.answer("list", index.list(subject, after.as_ref(), *limit).await);
        let size = page.sessions.len();
        store.assert(size <= *limit, format_args!("a page of {limit} holds {size} sessions"));
        seen.extend(page.sessions.iter().map(|(key, _)| *key));
        let Some(next) = page.next else { return false };
        let covered = seen.last().is_none_or(|last| next >= *last);
        let onward = after.is_none_or(|after| next > after);
        store.assert(covered && onward, "the next page does not begin behind this one");
        *after = Some(next);
        true
    }
}

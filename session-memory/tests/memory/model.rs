//! Random operations, compared step by step with a map that is obviously right.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use session_core::{Created, Key, Record, Replaced, Revision, Store, Timestamp, Touch, Touched};
use session_memory::MemoryStore;

use crate::common::{StoppedClock, key, load, record, subject, successor, with_clock};

#[derive(Clone, Debug)]
enum Step {
    Create { key: u32, draft: Draft },
    Replace { key: u32, draft: Draft, stale: bool },
    Rotate { key: u32, to: u32, draft: Draft, stale: bool },
    Touch { keys: Vec<u32>, idle: u64 },
    Delete { key: u32 },
    Purge { limit: usize },
    Advance { millis: u16 },
}

#[derive(Clone, Debug)]
struct Draft {
    payload: usize,
    subject: Option<u32>,
    idle: u64,
    absolute: u64,
}

fn step() -> impl Strategy<Value = Step> {
    let draft = (0_usize..500, proptest::option::of(0_u32..3), 1_u64..300, 1_u64..900)
        .prop_map(|(payload, subject, idle, absolute)| Draft { payload, subject, idle, absolute });
    let key = || 0_u32..12;
    let stale = || proptest::bool::weighted(0.2);
    prop_oneof![
        4 => (key(), draft.clone()).prop_map(|(key, draft)| Step::Create { key, draft }),
        4 => (key(), draft.clone(), stale())
            .prop_map(|(key, draft, stale)| Step::Replace { key, draft, stale }),
        3 => (key(), key(), draft, stale())
            .prop_map(|(key, to, draft, stale)| Step::Rotate { key, to, draft, stale }),
        3 => (vec(key(), 0..4), 1_u64..600).prop_map(|(keys, idle)| Step::Touch { keys, idle }),
        2 => key().prop_map(|key| Step::Delete { key }),
        1 => (0_usize..5).prop_map(|limit| Step::Purge { limit }),
        3 => (0_u16..200).prop_map(|millis| Step::Advance { millis }),
    ]
}

/// Twelve keys in three partitions: any of a partition can be rotated to any other.
fn place(number: u32) -> Key {
    successor(number % 3, number / 3)
}

struct Checked {
    store: MemoryStore,
    clock: std::sync::Arc<StoppedClock>,
    model: BTreeMap<Key, Record>,
    now: i64,
    highest: BTreeMap<Key, Revision>,
}

impl Checked {
    fn new() -> Self {
        let (store, clock) = with_clock(|builder| builder);
        Self { store, clock, model: BTreeMap::new(), now: 0, highest: BTreeMap::new() }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    fn draft(&self, draft: &Draft) -> Record {
        let absolute_deadline = self.now().plus(Duration::from_millis(draft.absolute));
        Record {
            created_at: self.now(),
            idle_deadline: self.now().plus(Duration::from_millis(draft.idle)),
            absolute_deadline,
            subject: draft.subject.map(subject),
            ..record(draft.payload)
        }
    }

    fn live(&self, key: &Key) -> Option<&Record> {
        self.model.get(key).filter(|record| !record.is_expired(self.now()))
    }

    fn expected(&self, key: &Key, stale: bool) -> Revision {
        let current = self.live(key).map(|record| record.revision).unwrap_or_default();
        if stale { Revision::new(current.get() + 1_000_000) } else { current }
    }

    /// Remembers what was written, and that revisions go up for a key and its predecessors.
    fn wrote(&mut self, from: Key, to: Key, revision: Revision, record: Record) {
        let before = self.highest.get(&from).max(self.highest.get(&to)).copied();
        assert!(revision > before.unwrap_or_default());
        self.highest.insert(to, revision);
        if from != to {
            self.model.remove(&from);
        }
        self.model.insert(to, Record { revision, ..record });
    }

    fn check_write(&mut self, from: Key, to: Key, record: Record, stale: bool, done: Replaced) {
        match (done, self.live(&from)) {
            (Replaced::Gone, None) => {}
            (Replaced::Conflict(current), Some(model)) => {
                assert!(stale);
                assert_eq!(current.revision, model.revision);
            }
            (Replaced::Replaced(revision), Some(_)) => {
                assert!(!stale);
                self.wrote(from, to, revision, record);
            }
            (done, model) => panic!("{done:?} where the model has {model:?}"),
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Create { key, draft } => {
                let (key, record) = (place(key), self.draft(&draft));
                match self.store.create(&key, &record).await.unwrap() {
                    Created::Duplicate => assert!(self.live(&key).is_some()),
                    Created::Created(revision) => {
                        assert!(self.live(&key).is_none());
                        self.wrote(key, key, revision, record);
                    }
                }
            }
            Step::Replace { key, draft, stale } => {
                let (key, record) = (place(key), self.draft(&draft));
                let expected = self.expected(&key, stale);
                let done = self.store.replace(&key, &record, expected).await.unwrap();
                self.check_write(key, key, record, stale, done);
            }
            Step::Rotate { key, to, draft, stale } => {
                let (from, to) = (place(key), place(key % 3 + to / 3 * 3));
                let record = self.draft(&draft);
                let expected = self.expected(&from, stale);
                match self.store.rotate(&from, &to, &record, expected).await {
                    Ok(done) => self.check_write(from, to, record, stale, done),
                    Err(_) => {
                        assert!(!stale && self.live(&from).is_some() && self.live(&to).is_some())
                    }
                }
            }
            Step::Touch { keys, idle } => self.touch(keys, idle).await,
            Step::Delete { key } => {
                let was_alive = self.live(&place(key)).is_some();
                assert_eq!(self.store.delete(&place(key)).await.unwrap(), was_alive);
                self.model.remove(&place(key));
            }
            Step::Purge { limit } => {
                let held = self.store.len();
                let freed = self.store.purge_expired(limit).await.unwrap();
                assert!(freed <= limit);
                assert_eq!(self.store.len(), held - freed);
            }
            Step::Advance { millis } => {
                self.clock.advance(millis.into());
                self.now += i64::from(millis);
            }
        }
    }

    async fn touch(&mut self, keys: Vec<u32>, idle: u64) {
        let idle_deadline = self.now().plus(Duration::from_millis(idle));
        let touches: Vec<Touch> =
            keys.into_iter().map(|key| Touch { key: place(key), idle_deadline }).collect();
        let answers = self.store.touch(&touches).await.unwrap();
        assert_eq!(answers.len(), touches.len());
        for (touch, answer) in touches.iter().zip(answers) {
            let is_live = self.live(&touch.key).is_some();
            assert_eq!(answer, if is_live { Touched::Done } else { Touched::Gone });
            if is_live && let Some(record) = self.model.get_mut(&touch.key) {
                let to = idle_deadline.min(record.absolute_deadline);
                record.idle_deadline = record.idle_deadline.max(to);
            }
        }
    }

    async fn compare(&self) {
        for number in 0..12 {
            let (stored, model) =
                (load(&self.store, &place(number)).await, self.live(&place(number)));
            assert_eq!(stored.is_some(), model.is_some());
            if let (Some(stored), Some(model)) = (stored, model) {
                assert_eq!(stored.revision, model.revision);
                assert_eq!(stored.created_at, model.created_at);
                assert_eq!(stored.idle_deadline, model.idle_deadline);
                assert_eq!(stored.absolute_deadline, model.absolute_deadline);
                assert_eq!(stored.subject, model.subject);
                assert_eq!(stored.payload, model.payload);
            }
        }
        for number in 0..3 {
            let subject = subject(number);
            let page = self.store.subjects().unwrap().list(&subject, None, 99).await.unwrap();
            let listed: Vec<Key> = page.sessions.into_iter().map(|(key, _)| key).collect();
            let model: Vec<Key> = self
                .model
                .iter()
                .filter(|(key, record)| {
                    self.live(key).is_some() && record.subject.as_ref() == Some(&subject)
                })
                .map(|(key, _)| *key)
                .collect();
            assert_eq!(listed, model);
        }
    }
}

#[test]
fn whatever_happens_matches_the_model_and_frees_all_its_room_in_the_end() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    proptest!(ProptestConfig::with_cases(500), |(steps in vec(step(), 1..80))| {
        runtime.block_on(async {
            let mut checked = Checked::new();
            for step in steps {
                checked.take(step).await;
                checked.compare().await;
            }
            // A weight that depends on the way a session took would show here.
            let fresh = MemoryStore::builder()
                .clock(std::sync::Arc::clone(&checked.clock) as _)
                .build()
                .unwrap();
            checked.store.purge_expired(usize::MAX).await.unwrap();
            for (number, record) in (0..).zip(checked.model.values()) {
                if !record.is_expired(checked.now()) {
                    fresh.create(&key(number), record).await.unwrap();
                }
            }
            assert_eq!(checked.store.len(), fresh.len());
            assert_eq!(checked.store.bytes(), fresh.bytes());

            checked.clock.advance(100_000);
            let held = checked.store.len();
            assert_eq!(checked.store.purge_expired(usize::MAX).await.unwrap(), held);
            assert_eq!((checked.store.len(), checked.store.bytes()), (0, 0));
        });
    });
}

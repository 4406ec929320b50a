//! What is wrong with the methods of a store.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::{
    Backplane, Change, Created, Error, Key, Load, Loaded, Payload, Qualities, Record, Replaced,
    Revision, Store, SubjectIndex, Timestamp, Touch, Touched,
};
use session_testkit::sample;

use crate::defects::{Broken, Defect, dawdle};

#[async_trait]
impl Store for Broken {
    async fn load(&self, key: &Key, load: Load) -> Result<Loaded, Error> {
        match (self.defect, self.live(key)) {
            (Defect::FailsOnMissing, None) => return Err(Self::refused()),
            (Defect::AlwaysUnchanged, Some(record)) if load.known.is_some() => {
                return Ok(Loaded::Unchanged { idle_deadline: record.idle_deadline });
            }
            (Defect::LoadExtends, Some(record)) => {
                let idle_deadline = record.idle_deadline.plus(Duration::from_millis(1));
                self.touch_one(&Touch { key: *key, idle_deadline });
            }
            _ => {}
        }
        self.slowly(self.inner.load(key, load)).await
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, Error> {
        let first_deadline = record.idle_deadline.min(record.absolute_deadline);
        if self.live(key).is_none() {
            self.notes().first_deadlines.insert(*key, first_deadline);
        }
        let mut record = record.clone();
        match self.defect {
            Defect::LossyPayload => {
                let text = String::from_utf8_lossy(record.payload.as_bytes()).into_owned();
                record.payload = Payload::new(text);
            }
            Defect::WholeSeconds => {
                let millis = record.created_at.as_millis();
                record.created_at = Timestamp::from_millis(millis - millis % 1_000);
            }
            Defect::CreateUpserts => {
                self.put(key, &record, Revision::new(1));
                return Ok(Created::Created(Revision::new(1)));
            }
            Defect::CreatesUnsaved if self.live(key).is_none() => {
                self.put(key, &record, Revision::UNSAVED);
                return Ok(Created::Created(Revision::UNSAVED));
            }
            Defect::SplitCreate => {
                if self.live(key).is_some() {
                    return Ok(Created::Duplicate);
                }
                dawdle().await;
                self.put(key, &record, Revision::new(1));
                return Ok(Created::Created(Revision::new(1)));
            }
            Defect::IndexComesLater => {
                self.notes().hidden.insert(*key);
                let created = self.inner.create(key, &record).await;
                dawdle().await;
                self.notes().hidden.remove(key);
                return created;
            }
            Defect::IndexLosesUpdates => {
                // A list of keys, written as a whole by whoever adds one.
                let mut visible = self.notes().hidden.clone();
                visible.insert(*key);
                dawdle().await;
                self.notes().hidden = visible;
            }
            _ => {}
        }
        self.slowly(self.inner.create(key, &record)).await
    }

    async fn replace(
        &self,
        key: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        let refused = self.check(key, expected);
        match (self.defect, refused) {
            (Defect::ReplaceUpserts, Some(Replaced::Gone)) => {
                self.put(key, record, expected.next());
                Ok(Replaced::Replaced(expected.next()))
            }
            (Defect::DeletedMayBeReplaced, Some(Replaced::Gone)) => {
                let ghost = self.notes().ghosts.remove(key);
                match ghost.filter(|ghost| ghost.revision == expected) {
                    None => Ok(Replaced::Gone),
                    Some(_) => {
                        self.put(key, record, expected.next());
                        Ok(Replaced::Replaced(expected.next()))
                    }
                }
            }
            (Defect::ReplaceIgnoresExpected, _) => {
                self.inner.replace(key, record, self.current(key, expected)).await
            }
            (Defect::ReplaceKeepsDeadlines, None) => {
                let before = self.live(key).unwrap_or_else(|| record.clone());
                let idle_deadline = record.idle_deadline.max(before.idle_deadline);
                let absolute_deadline = record.absolute_deadline.max(before.absolute_deadline);
                let record = Record { idle_deadline, absolute_deadline, ..record.clone() };
                self.inner.replace(key, &record, expected).await
            }
            (Defect::RevisionStays, None) => {
                self.put(key, record, expected);
                Ok(Replaced::Replaced(expected))
            }
            (Defect::SplitReplace | Defect::SplitReplaceUpserts, None) => {
                dawdle().await;
                if self.is(Defect::SplitReplace) && self.live(key).is_none() {
                    return Ok(Replaced::Gone);
                }
                self.put(key, record, expected.next());
                Ok(Replaced::Replaced(expected.next()))
            }
            (Defect::ReplaceInTwoSteps, None) => {
                let payload = self.live(key).map(|before| before.payload).unwrap_or_default();
                self.put(key, &Record { payload, ..record.clone() }, expected.next());
                dawdle().await;
                self.inner.with(|state, _| {
                    let written = state.sessions.get_mut(key);
                    if let Some(written) = written.filter(|it| it.revision == expected.next()) {
                        written.payload = record.payload.clone();
                    }
                });
                Ok(Replaced::Replaced(expected.next()))
            }
            (Defect::IndexForgetsReplace, None) => {
                if self.live(key).is_some_and(|before| before.subject != record.subject) {
                    self.notes().hidden.insert(*key);
                }
                self.inner.replace(key, record, expected).await
            }
            (Defect::AnnouncesLater, None) => {
                let refused = self.inner.with(|state, now| {
                    let refused = state.check(key, expected, now);
                    if refused.is_none() {
                        let revision = expected.next();
                        state.sessions.insert(*key, Record { revision, ..record.clone() });
                    }
                    refused
                });
                if let Some(refused) = refused {
                    return Ok(refused);
                }
                dawdle().await;
                let change = Change::Revision(expected.next());
                self.inner.with(|state, _| state.announce(*key, change));
                Ok(Replaced::Replaced(expected.next()))
            }
            _ => self.slowly(self.inner.replace(key, record, expected)).await,
        }
    }

    async fn rotate(
        &self,
        from: &Key,
        to: &Key,
        record: &Record,
        expected: Revision,
    ) -> Result<Replaced, Error> {
        let (refused, revision) = (self.check(from, expected), expected.next());
        match (self.defect, refused) {
            (Defect::RotateUpserts, Some(Replaced::Gone)) => {
                self.put(to, record, revision);
                Ok(Replaced::Replaced(revision))
            }
            (Defect::RotateIgnoresExpected, _) => {
                self.inner.rotate(from, to, record, self.current(from, expected)).await
            }
            (Defect::RotateOverwrites, None) => {
                self.take(from);
                self.put(to, record, revision);
                Ok(Replaced::Replaced(revision))
            }
            (Defect::RotateKeepsOld, None) => {
                self.put(to, record, revision);
                Ok(Replaced::Replaced(revision))
            }
            (Defect::RotateRevivesOldest, None) => {
                // Swaps the two keys of the record before, as if there only ever were two.
                let ghost = self.notes().ghosts.insert(*to, record.clone());
                let oldest = self.notes().ghosts.len() == 3;
                let rotated = self.inner.rotate(from, to, record, expected).await;
                if ghost.is_none() && oldest {
                    self.put(from, record, expected);
                }
                rotated
            }
            (Defect::DeleteThenCreateRotation, None) => {
                self.take(from);
                dawdle().await;
                self.put(to, record, revision);
                Ok(Replaced::Replaced(revision))
            }
            (Defect::CheckThenRotate, None) => {
                dawdle().await;
                self.take(from);
                self.put(to, record, revision);
                Ok(Replaced::Replaced(revision))
            }
            (Defect::SilentRotation, None) => self.inner.with(|state, _| {
                state.sessions.remove(from);
                state.put(to, record, revision);
                Ok(Replaced::Replaced(revision))
            }),
            (Defect::IndexForgetsRotation, None) => {
                self.notes().hidden.insert(*to);
                self.inner.rotate(from, to, record, expected).await
            }
            (Defect::IndexLosesUpdates, None) => {
                self.notes().hidden.insert(*to);
                self.inner.rotate(from, to, record, expected).await
            }
            _ => self.slowly(self.inner.rotate(from, to, record, expected)).await,
        }
    }

    async fn touch(&self, touches: &[Touch]) -> Result<Vec<Touched>, Error> {
        let mut answers = Vec::new();
        let mut seen = HashSet::new();
        for touch in touches {
            if self.is(Defect::TouchAnswersByKey) && !seen.insert(touch.key) {
                continue;
            }
            let by_hand = matches!(
                self.defect,
                Defect::TouchWritesBack | Defect::TouchUpsertsBack | Defect::TouchTakesOut
            );
            let answer =
                if by_hand { self.touch_by_hand(touch).await } else { self.touch_one(touch) };
            if self.is(Defect::TouchCreates) && answer == Touched::Gone {
                let now = self.inner.clock.now();
                let record = sample::record(now);
                self.put(&touch.key, &record, Revision::new(1));
            }
            answers.push(answer);
        }
        Ok(answers)
    }

    async fn delete(&self, key: &Key) -> Result<bool, Error> {
        let live = self.live(key);
        match self.defect {
            Defect::DeleteIsNotIdempotent => self.inner.delete(key).await.map(|_| true),
            Defect::DeleteFailsOnMissing if live.is_none() => Err(Self::refused()),
            Defect::DeletedMayBeReplaced => {
                self.notes().ghosts.extend(live.map(|record| (*key, record)));
                self.inner.delete(key).await
            }
            Defect::CheckThenDelete => {
                dawdle().await;
                self.take(key);
                Ok(live.is_some())
            }
            Defect::IndexGoesFirst => {
                self.notes().hidden.insert(*key);
                dawdle().await;
                let deleted = self.inner.delete(key).await;
                self.notes().hidden.remove(key);
                deleted
            }
            Defect::SilentDelete if live.is_none() => Ok(false),
            _ => self.slowly(self.inner.delete(key)).await,
        }
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, Error> {
        match self.defect {
            Defect::PurgesTooMany => self.inner.purge_expired(limit.max(1) * 2).await,
            Defect::PurgesNothing | Defect::NeverFrees | Defect::FreesByItself => Ok(0),
            Defect::PurgesByFirstDeadline => {
                let deadlines = self.notes().first_deadlines.clone();
                Ok(self.inner.with(|state, now| {
                    let due = |key| deadlines.get(key).is_some_and(|deadline| *deadline <= now);
                    let due: Vec<Key> =
                        state.sessions.keys().filter(|key| due(key)).take(limit).copied().collect();
                    due.iter().filter(|key| state.sessions.remove(key).is_some()).count()
                }))
            }
            Defect::SplitPurge => {
                let expired: Vec<Key> = self.inner.with(|state, now| {
                    let expired = state.sessions.iter().filter(|(_, it)| it.is_expired(now));
                    expired.map(|(key, _)| *key).take(limit).collect()
                });
                dawdle().await;
                Ok(self.inner.with(|state, _| {
                    expired.iter().filter(|key| state.sessions.remove(key).is_some()).count()
                }))
            }
            _ => self.slowly(self.inner.purge_expired(limit)).await,
        }
    }

    async fn fence(&self) -> Result<(), Error> {
        if self.is(Defect::FenceFails) { Err(Self::refused()) } else { self.inner.fence().await }
    }

    async fn flush(&self) -> Result<(), Error> {
        match self.defect {
            Defect::FlushFails => return Err(Self::refused()),
            Defect::FlushLosesTouches => {
                let deadlines = self.notes().first_deadlines.clone();
                self.inner.with(|state, _| {
                    for (key, record) in &mut state.sessions {
                        record.idle_deadline = deadlines[key];
                    }
                });
            }
            _ => {}
        }
        self.inner.flush().await
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        (!self.is(Defect::OffersNothing)).then_some(self)
    }

    fn backplane(&self) -> Option<Arc<dyn Backplane>> {
        (!self.is(Defect::OffersNothing)).then(|| Arc::new(self.clone()) as _)
    }

    fn qualities(&self) -> Qualities {
        match self.defect {
            Defect::OffersNothing => Qualities::NONE,
            Defect::NeverFrees | Defect::FreesByItself => Qualities::NONE.native_expiry(),
            Defect::LosesOnReopen => Qualities::NONE.durable(),
            _ => self.inner.qualities(),
        }
    }
}

//! Ways to get a store wrong, each in a few lines over one that is right.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use session_core::{
    Backplane, Change, Clock, Created, Epoch, Error, ErrorKind, Event, Key, Lane, Load, Loaded,
    NodeId, Page, Payload, Qualities, Record, Replaced, Revision, Store, Subject, SubjectIndex,
    Subscription, Timestamp, Touch, Touched,
};
use tokio::task::yield_now;

use crate::map_store::MapStore;

macro_rules! defects {
    ($($defect:ident => $($clause:ident)*,)*) => {
        /// What is wrong with a store.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Defect {
            $($defect,)*
        }

        /// Each defect with the clauses that are about it.
        pub(crate) const DEFECTS: &[(Defect, &[&str])] =
            &[$((Defect::$defect, &[$(stringify!($clause)),*]),)*];
    };
}

defects! {
    // Not wrong at all: slow, sparing, and tidy.
    Dawdles => ,
    OffersNothing => ,
    FreesByItself => ,
    FailsOnMissing => load_absent,
    AlwaysUnchanged => load_known_revision,
    LoadExtends => load_changes_nothing,
    LossyPayload => records_come_back_as_given,
    WholeSeconds => records_come_back_as_given,
    CreateUpserts => create_never_overwrites,
    CreatesUnsaved => created_revision_is_readable,
    SplitCreate => concurrent_creates,
    ReplaceUpserts => replace_never_creates,
    ReplaceIgnoresExpected => replace_checks_the_revision,
    ReplaceKeepsDeadlines => replace_sets_the_deadlines,
    RevisionStays => revisions_rise,
    SplitReplace => concurrent_replaces,
    SplitReplaceUpserts => concurrent_delete_and_replace,
    ReplaceInTwoSteps => cancelled_replace,
    RotateUpserts => rotate_never_creates,
    RotateIgnoresExpected => rotate_checks_the_revision,
    RotateOverwrites => rotate_never_overwrites,
    RotateKeepsOld => rotate_moves_the_session,
    RotateRevivesOldest => rotate_chain,
    DeleteThenCreateRotation => concurrent_rotate_and_replace cancelled_rotate,
    CheckThenRotate => concurrent_rotates,
    TouchMovesBackward => touch_only_extends,
    TouchPassesTheEnd => touch_only_extends,
    TouchCreates => touch_never_creates,
    TouchRevives => expired_is_absent,
    TouchRaisesRevision => touch_keeps_the_revision,
    TouchAnswersByKey => touch_many,
    TouchWritesBack => concurrent_touch_and_replace,
    TouchUpsertsBack => concurrent_touch_and_delete concurrent_rotate_and_touch,
    TouchTakesOut => cancelled_touch,
    DeleteIsNotIdempotent => delete_is_idempotent,
    DeleteFailsOnMissing => delete_is_idempotent,
    DeletedMayBeReplaced => deleted_is_absent,
    CheckThenDelete => concurrent_rotate_and_delete,
    ForgetsExpiry => expired_is_absent,
    EndsLate => expired_at_the_deadline,
    EndsEarly => expired_at_the_deadline,
    PurgesTooMany => purge_is_bounded,
    PurgesNothing => purge_is_bounded,
    PurgesByFirstDeadline => purge_is_bounded,
    SplitPurge => concurrent_purge_and_create,
    IndexForgetsRotation => subjects_follow_rotation,
    IndexForgetsReplace => subjects_follow_replace,
    IndexForgetsTouch => subjects_lists_every_session,
    IndexComesLater => cancelled_create,
    IndexGoesFirst => cancelled_delete,
    IndexLosesUpdates => concurrent_subjects,
    ListsExpired => subjects_lists_nothing_else,
    ListsSimilar => subjects_lists_nothing_else,
    PagesOverlap => subjects_pages,
    PagesSkip => subjects_pages,
    SilentRotation => backplane_announces_changes,
    SilentDelete => backplane_announces_deletes,
    AnnouncesTouch => backplane_announces_no_touch,
    AnnouncesLater => backplane_keeps_the_order,
    EchoOvertakes => backplane_echo_comes_last,
    NextForgets => backplane_next_may_be_cancelled,
    LosesOnReopen => durable_survives_reopen,
    KeepsToItself => shared_is_seen_by_others,
    NeverFrees => native_expiry_frees,
    FenceFails => fence_returns,
}

/// A right store made wrong.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    inner: MapStore,
    defect: Defect,
    notes: Arc<Mutex<Notes>>,
}

/// What the defects that need a memory remember.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    is_open: bool,
    hidden: HashSet<Key>,
    ghosts: HashMap<Key, Record>,
    first_deadlines: HashMap<Key, Timestamp>,
}

impl Broken {
    pub(crate) fn new(mut inner: MapStore, defect: Defect, notes: &Arc<Mutex<Notes>>) -> Self {
        let clock = Arc::clone(&inner.clock);
        let is_first = !notes
            .lock()
            .map(|mut notes| std::mem::replace(&mut notes.is_open, true))
            .unwrap_or_default();
        match defect {
            Defect::ForgetsExpiry => inner.clock = Arc::new(Skewed(clock, -1_000_000_000)),
            Defect::EndsLate => inner.clock = Arc::new(Skewed(clock, -1)),
            Defect::EndsEarly => inner.clock = Arc::new(Skewed(clock, 1)),
            Defect::LosesOnReopen | Defect::KeepsToItself if !is_first => {
                inner.state = Arc::default();
            }
            Defect::FreesByItself if is_first => drop(tokio::spawn(sweep(inner.clone()))),
            _ => {}
        }
        Self { inner, defect, notes: Arc::clone(notes) }
    }

    fn is(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self, key: &Key) -> Option<Record> {
        self.inner.with(|state, now| state.live(key, now).cloned())
    }

    fn put(&self, key: &Key, record: &Record, revision: Revision) {
        self.inner.with(|state, _| state.put(key, record, revision));
    }

    fn take(&self, key: &Key) -> Option<Record> {
        self.inner.with(|state, _| {
            state.announce(*key, Change::Removed);
            state.sessions.remove(key)
        })
    }

    fn check(&self, key: &Key, expected: Revision) -> Option<Replaced> {
        self.inner.with(|state, now| state.check(key, expected, now))
    }

    /// The stored revision, for a store that does not care about the one expected.
    fn current(&self, key: &Key, expected: Revision) -> Revision {
        self.live(key).map_or(expected, |record| record.revision)
    }

    /// In one step, if not by the rules.
    fn touch_one(&self, touch: &Touch) -> Touched {
        self.inner.with(|state, now| {
            let alive = state.live(&touch.key, now).is_some();
            let Some(record) = state.sessions.get_mut(&touch.key) else { return Touched::Gone };
            if !alive && !self.is(Defect::TouchRevives) {
                return Touched::Gone;
            }
            let mut target = touch.idle_deadline;
            if !self.is(Defect::TouchPassesTheEnd) {
                target = target.min(record.absolute_deadline);
            }
            if !self.is(Defect::TouchMovesBackward) {
                target = target.max(record.idle_deadline);
            }
            record.idle_deadline = target;
            if self.is(Defect::TouchRaisesRevision) {
                record.revision = record.revision.next();
            }
            let revision = record.revision;
            if self.is(Defect::AnnouncesTouch) {
                state.announce(touch.key, Change::Revision(revision));
            }
            Touched::Done
        })
    }

    /// Reads, lets others in, and writes what it has read.
    async fn touch_by_hand(&self, touch: &Touch) -> Touched {
        let found = match self.defect {
            Defect::TouchTakesOut => self.inner.with(|state, _| state.sessions.remove(&touch.key)),
            _ => self.live(&touch.key),
        };
        let Some(record) = found else { return Touched::Gone };
        dawdle().await;
        let target = touch.idle_deadline.min(record.absolute_deadline).max(record.idle_deadline);
        let record = Record { idle_deadline: target, ..record };
        self.inner.with(|state, _| {
            if !self.is(Defect::TouchWritesBack) || state.sessions.contains_key(&touch.key) {
                state.sessions.insert(touch.key, record);
            }
        });
        Touched::Done
    }

    async fn slowly<T>(&self, call: impl Future<Output = T> + Send) -> T {
        if !self.is(Defect::Dawdles) {
            return call.await;
        }
        yield_now().await;
        let answer = call.await;
        yield_now().await;
        answer
    }

    fn refused() -> Error {
        Error::new(ErrorKind::Corrupt, "nothing where something was expected")
    }
}

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
                let record = session_testkit::sample::record(now);
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

#[async_trait]
impl SubjectIndex for Broken {
    async fn list(
        &self,
        subject: &Subject,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Page, Error> {
        let sees = |key: &Key, record: &Record, now: Timestamp| {
            let notes = self.notes();
            let same = |subject: &Subject, other: &Subject| match self.defect {
                Defect::ListsSimilar => {
                    subject.as_str().eq_ignore_ascii_case(other.as_str().trim_end())
                }
                _ => subject == other,
            };
            let hidden = match self.defect {
                Defect::IndexLosesUpdates => !notes.hidden.contains(key),
                Defect::IndexForgetsTouch => {
                    notes.first_deadlines.get(key).is_some_and(|deadline| *deadline <= now)
                }
                _ => notes.hidden.contains(key),
            };
            let behind = match self.defect {
                Defect::PagesOverlap => after.is_none_or(|after| key >= after),
                _ => after.is_none_or(|after| key > after),
            };
            let alive = !record.is_expired(now) || self.is(Defect::ListsExpired);
            let own = record.subject.as_ref().is_some_and(|other| same(other, subject));
            own && alive && behind && !hidden
        };
        Ok(self.inner.with(|state, now| {
            let own = state.sessions.iter().filter(|(key, record)| sees(key, record, now));
            let mut sessions: Vec<_> =
                own.map(|(key, record)| (*key, Arc::new(record.clone()))).take(limit + 1).collect();
            let more = sessions.len() > limit;
            let skipped = sessions.get(limit).map(|(key, _)| *key);
            sessions.truncate(limit);
            let last = sessions.last().map(|(key, _)| *key);
            let next = if self.is(Defect::PagesSkip) { skipped } else { last };
            Page { sessions, next: next.filter(|_| more) }
        }))
    }
}

#[async_trait]
impl Backplane for Broken {
    fn lanes(&self) -> Vec<Lane> {
        self.inner.lanes()
    }

    fn lane_of(&self, key: &Key) -> Lane {
        self.inner.lane_of(key)
    }

    async fn subscribe(&self, lane: Lane, node: NodeId) -> Result<Box<dyn Subscription>, Error> {
        let inner = self.inner.subscribe(lane, node).await?;
        Ok(Box::new(Misheard { inner, defect: self.defect, late: None }))
    }

    async fn echo(&self, lane: Lane, node: NodeId, number: u64) -> Result<Epoch, Error> {
        self.inner.echo(lane, node, number).await
    }
}

#[derive(Debug)]
struct Misheard {
    inner: Box<dyn Subscription>,
    defect: Defect,
    late: Option<Event>,
}

#[async_trait]
impl Subscription for Misheard {
    async fn next(&mut self) -> Result<Event, Error> {
        loop {
            let event = self.inner.next().await?;
            if self.defect == Defect::NextForgets {
                dawdle().await;
            }
            match event {
                Event::Changed(..) if self.defect == Defect::EchoOvertakes => {
                    if let Some(event) = self.late.replace(event) {
                        return Ok(event);
                    }
                }
                event => return Ok(event),
            }
        }
    }
}

/// Frees the room of what has expired, until the runtime ends.
async fn sweep(store: MapStore) {
    loop {
        store.with(|state, now| state.sessions.retain(|_, record| !record.is_expired(now)));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Gives others the time to come between two halves of something.
async fn dawdle() {
    for _ in 0..3 {
        yield_now().await;
    }
}

/// A clock that is wrong by so many milliseconds.
#[derive(Debug)]
struct Skewed(Arc<dyn Clock>, i64);

impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.now().as_millis() + self.1)
    }
}

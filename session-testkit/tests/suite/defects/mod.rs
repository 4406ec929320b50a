//! Ways to get a store wrong, each in a few lines over one that is right.

mod backplane;
mod store;
mod subjects;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use session_core::{
    Change, Clock, Error, ErrorKind, Key, Record, Replaced, Revision, Timestamp, Touch, Touched,
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
    EchoCountsAsHandled => backplane_tells_of_nodes,
    NudgesNobody => backplane_tells_of_nodes,
    NextForgets => backplane_next_may_be_cancelled,
    LosesOnReopen => durable_survives_reopen,
    KeepsToItself => shared_is_seen_by_others,
    NeverFrees => native_expiry_frees,
    FenceFails => fence_returns,
    FlushFails => flush_returns,
    FlushLosesTouches => flush_returns,
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
        let mut shared = notes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = !std::mem::replace(&mut shared.is_open, true);
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

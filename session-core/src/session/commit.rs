//! Saving: one conditional write, tried again on what others wrote.

mod draft;
mod events;
mod limit;

use std::sync::Arc;

use tokio::sync::SemaphorePermit;
use tracing::Instrument as _;

use super::changes::View;
use super::report::Progress;
use super::state::{Base, Live, Lost, Pending, State};
use super::{MAX_RERUNS, Session, report};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::fields::Fields;
use crate::key::Key;
use crate::observer::{Ending, SessionEvent, Stage};
use crate::plan::{StoreCall, TransportChange, plan};
use crate::record::{Record, Revision};
use crate::sessions::{Sessions, Settings, Turn, Written};
use crate::store::{Created, Replaced, Touch, Touched};
use crate::token::Token;

/// Saves what is pending; fails too if something of this session was lost and nothing is pending
/// that could make up for it, be it another clone's commit that lost it.
pub(super) async fn commit(session: &Session) -> Result<(), Error> {
    let losses = session.state().losses;
    let (result, turn) = match session.has_nothing_to_save() {
        Some(turn) => (Ok(Saved::Nothing), Some(turn)),
        None => save(session).await,
    };
    drop(turn);
    if result? == Saved::Nothing {
        let state = session.state();
        if let Some(lost) = &state.lost {
            return Err(lost.to_error());
        }
        if state.losses != losses {
            let message = "another commit of this session has lost what was to be saved";
            return Err(Error::new(ErrorKind::Timeout, message).during("commit"));
        }
    }
    Ok(())
}

/// Whether a commit had anything to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Saved {
    Nothing,
    Something,
}

/// Saves what is pending. Nobody else does as long as the permit is held.
pub(super) async fn save(session: &Session) -> (Result<Saved, Error>, Option<SemaphorePermit<'_>>) {
    // Fails only once closed, which it never is.
    let turn = session.0.committing.acquire().await.ok();
    let span = report::save_span();
    let mut attempt = Attempt::begin(session);
    let result = attempt.write().instrument(span.clone()).await;
    let progress = attempt.progress;
    let result = attempt.end(result).map_err(|error| error.during("commit"));
    let observers = session.sessions().observers();
    report::report_save(&span, observers, progress, result.as_ref().map(|_| ()));
    (result, turn)
}

impl Lost {
    pub(super) fn to_error(&self) -> Error {
        Error::new(self.kind, "an earlier save of this request failed").during("commit")
    }
}

/// A commit under way. It has taken what was pending out of the session, and puts it back when
/// it is dropped before it has sent anything.
struct Attempt<'a> {
    session: &'a Session,
    base: Base,
    pending: Arc<Pending>,
    /// A write was sent and has not been answered.
    in_doubt: bool,
    /// What was pending is in the store now.
    saved: bool,
    /// What was written has been taken back, and the session it was written over is gone.
    withdrawn: bool,
    ended: bool,
    progress: Progress,
}

impl<'a> Attempt<'a> {
    fn begin(session: &'a Session) -> Self {
        let mut state = session.state();
        state.version += 1;
        let pending = Arc::new(std::mem::take(&mut state.pending));
        state.in_flight = Some(Arc::clone(&pending));
        Self {
            session,
            base: state.base.clone(),
            pending,
            in_doubt: false,
            saved: false,
            withdrawn: false,
            ended: false,
            progress: Progress::NONE,
        }
    }

    fn sessions(&self) -> &'a Sessions {
        self.session.sessions()
    }

    fn settings(&self) -> &'a Settings {
        self.session.settings()
    }

    /// Does what the plan says, again after each conflict, a bounded number of times.
    async fn write(&mut self) -> Result<TransportChange, Error> {
        let (sessions, settings) = (self.sessions(), self.settings());
        let max_attempts = settings.policy().max_attempts;
        let mut turn = None;
        let mut attempt = 0;
        while attempt < max_attempts {
            let now = sessions.clock().now();
            let (call, change) = settings.plan(&self.base, &self.pending, now);
            self.progress.call = call;
            self.check_that_the_client_can_be_told(change)?;
            let done = match (call, self.base.live().cloned()) {
                (StoreCall::None, _) => true,
                (StoreCall::Touch, Some(live)) => return Ok(self.touch(live, now).await),
                (StoreCall::Delete, _) => self.delete().await?,
                (StoreCall::Replace | StoreCall::Rotate, Some(live)) => {
                    if turn.is_none() {
                        turn = sessions.turns().wait(&live.key, attempt > 0).await;
                        if self.catch_up(&live, turn.as_mut()) {
                            continue;
                        }
                    }
                    let rotate = call == StoreCall::Rotate;
                    self.replace(&live, rotate, now).await.inspect_err(|error| {
                        if error.is_outcome_unknown() {
                            sessions.turns().report_failure(&live.key);
                        }
                    })?
                }
                (StoreCall::Create, _) => self.create(now).await?,
                // The plan asks nothing of a session that is not there.
                (_, None) => true,
            };
            if done {
                if let (Some(turn), Some(live)) = (&turn, self.base.live()) {
                    turn.pass_on(|| Written::from(live));
                }
                // A client that was told how long to keep its token is told anew.
                let is_news = self.pending.timeouts.is_some();
                return Ok(match change {
                    TransportChange::Refresh if is_news => TransportChange::Set,
                    change => change,
                });
            }
            attempt += 1;
        }
        Err(Error::new(ErrorKind::Conflict, "other requests kept writing to this session")
            .with("attempts", max_attempts))
    }

    /// Goes on from what the writer before has written, if that is news.
    fn catch_up(&mut self, live: &Live, turn: Option<&mut Turn<'_>>) -> bool {
        let newer = turn.and_then(|turn| turn.newer_than(&live.key, &live.record));
        let Some(Written { key, record, fields }) = newer else { return false };
        let (token, idle_deadline) = (live.token.clone(), record.idle_deadline);
        self.base = Base::Live(Live { token, key, record, fields, idle_deadline });
        true
    }

    fn check_that_the_client_can_be_told(&self, change: TransportChange) -> Result<(), Error> {
        if change == TransportChange::Set && self.session.state().responded {
            let message = "the response has begun: its client cannot be given a new token";
            return Err(Error::new(ErrorKind::Misuse, message));
        }
        Ok(())
    }

    async fn create(&mut self, now: Timestamp) -> Result<bool, Error> {
        let sessions = self.sessions();
        let token = Token::random(sessions.entropy())?;
        let key = Key::of(&token, sessions.namespace());
        let (record, fields) = self.draft(&key, now)?;
        let newcomer = self.expect_room(&record).await?;
        self.in_doubt = true;
        if let (Base::Unreadable(old), true) = (&self.base, record.subject.is_some()) {
            // Whoever signs in leaves no session behind that other nodes can still read.
            let ended = sessions.store().delete(old).await?;
            self.settle_dead(ended);
        }
        let created = sessions.store().create(&key, &record).await;
        self.in_doubt = false;
        let (created, unconfirmed) =
            confirmed_or_not(created, Created::Created(Revision::UNSAVED.next()))?;
        match created {
            Created::Created(revision) => {
                if let Some(subject) = newcomer {
                    self.keep_limit(&subject, &key).await?;
                }
                self.settle(token, key, record, fields, revision);
                self.tell(SessionEvent::Created);
                self.confirm(unconfirmed)
            }
            // Somebody else's session, by a chance of one in 2^256: draw again.
            Created::Duplicate => Ok(false),
        }
    }

    /// Replaces the record, under a new token's key if it is to `rotate`.
    async fn replace(&mut self, live: &Live, rotate: bool, now: Timestamp) -> Result<bool, Error> {
        let sessions = self.sessions();
        let (token, key) = if rotate {
            let token = live.token.successor(sessions.entropy())?;
            let key = Key::of(&token, sessions.namespace());
            (token, key)
        } else {
            (live.token.clone(), live.key)
        };
        let (record, fields) = self.draft(&key, now)?;
        let newcomer = self.expect_room(&record).await?;
        let expected = live.record.revision;
        self.in_doubt = true;
        let replaced = if rotate {
            sessions.store().rotate(&live.key, &key, &record, expected).await
        } else {
            sessions.store().replace(&key, &record, expected).await
        };
        self.in_doubt = false;
        let (replaced, unconfirmed) =
            confirmed_or_not(replaced, Replaced::Replaced(expected.next()))?;
        match replaced {
            Replaced::Replaced(revision) => {
                if let Some(subject) = newcomer {
                    self.keep_limit(&subject, &key).await?;
                }
                self.settle(token, key, record, fields, revision);
                self.tell_replaced(rotate);
                self.confirm(unconfirmed)
            }
            Replaced::Conflict(current) => {
                self.progress.conflicts += 1;
                self.tell(SessionEvent::Conflict);
                let current = self.settings().live(live.token.clone(), live.key, current)?;
                self.base = Base::Live(current);
                Ok(false)
            }
            // Who starts over wants nothing of it, and whatever it has become is to end as well.
            Replaced::Gone if self.pending.restart => {
                self.in_doubt = true;
                // Seldom, so not in the memory of every save.
                let ended = Box::pin(sessions.end(&live.key, &live.record)).await;
                self.in_doubt = false;
                self.settle_dead(ended?);
                Ok(false)
            }
            Replaced::Gone => {
                self.tell_gone(live);
                let message = "the session has ended meanwhile; nothing was saved";
                Err(Error::new(ErrorKind::Gone, message))
            }
        }
    }

    /// Fails if a write is done that too few replicas have confirmed. The client is given its token
    /// all the same: the one that it came with opens nothing any more.
    fn confirm(&self, unconfirmed: Option<Error>) -> Result<bool, Error> {
        match unconfirmed {
            None => Ok(true),
            Some(error) => {
                self.session.state().tell(TransportChange::Set);
                Err(error)
            }
        }
    }

    async fn delete(&mut self) -> Result<bool, Error> {
        let sessions = self.sessions();
        self.in_doubt = true;
        let deleted = match &self.base {
            Base::Live(live) => sessions.end(&live.key, &live.record).await,
            Base::Unreadable(key) => sessions.store().delete(key).await,
            Base::Nothing | Base::Dead => Ok(false),
        };
        self.in_doubt = false;
        self.settle_dead(deleted?);
        self.saved = true;
        Ok(true)
    }

    /// There is no session any more. Whoever watches is told if this commit has ended it.
    fn settle_dead(&mut self, ended: bool) {
        self.base = Base::Dead;
        if ended {
            self.tell(SessionEvent::Destroyed(Ending::Request));
        }
    }

    /// Extends the session. A failure is no reason to fail the request, which has asked for
    /// nothing: the next one touches again.
    async fn touch(&mut self, live: Live, now: Timestamp) -> TransportChange {
        let sessions = self.sessions();
        let timeouts = live.record.timeouts_or(self.settings().policy().timeouts);
        let idle_deadline = timeouts.idle_deadline(now, live.record.absolute_deadline);
        let touch = Touch { key: live.key, idle_deadline };
        match sessions.store().touch(&[touch]).await.as_deref() {
            Ok([Touched::Gone]) => {
                self.base = Base::Dead;
                self.tell_gone(&live);
                TransportChange::Clear
            }
            Ok(_) => {
                self.base = Base::Live(Live { idle_deadline, ..live });
                self.tell(SessionEvent::Touched);
                TransportChange::Refresh
            }
            Err(error) => {
                sessions.observers().failed(Stage::Touch, error);
                tracing::warn!(%error, "a session could not be touched");
                TransportChange::Keep
            }
        }
    }

    fn settle(
        &mut self,
        token: Token,
        key: Key,
        mut record: Arc<Record>,
        fields: Arc<Fields>,
        revision: Revision,
    ) {
        // Nobody else has it yet, so this is no copy.
        Arc::make_mut(&mut record).revision = revision;
        let idle_deadline = record.idle_deadline;
        self.base = Base::Live(Live { token, key, record, fields, idle_deadline });
        self.saved = true;
    }

    /// What was under way, which from now on is either saved, lost or pending again.
    fn take_back(&mut self, state: &mut State) -> Pending {
        state.version += 1;
        state.in_flight = None;
        Arc::unwrap_or_clone(std::mem::take(&mut self.pending))
    }

    fn end(mut self, result: Result<TransportChange, Error>) -> Result<Saved, Error> {
        self.ended = true;
        let mut state = self.session.state();
        let pending = self.take_back(&mut state);
        state.base = std::mem::replace(&mut self.base, Base::Nothing);
        let result = match result {
            Ok(change) => {
                state.tell(change);
                if state.lost.as_ref().is_some_and(|lost| pending.covers(&lost.pending)) {
                    state.lost = None;
                }
                Ok(if self.saved { Saved::Something } else { Saved::Nothing })
            }
            Err(error) => {
                match error.kind() {
                    ErrorKind::Gone => {
                        state.base = Base::Dead;
                        state.tell(TransportChange::Clear);
                        state.lose(ErrorKind::Gone, pending);
                    }
                    // Nothing that comes later makes it possible.
                    kind @ (ErrorKind::Misuse | ErrorKind::LimitReached) => {
                        state.lose(kind, pending);
                    }
                    kind if self.withdrawn || error.is_outcome_unknown() => {
                        state.lose(kind, pending);
                    }
                    _ => state.pending.put_back(pending),
                }
                if self.withdrawn && matches!(state.base, Base::Dead) {
                    state.tell(TransportChange::Clear);
                }
                Err(error)
            }
        };
        drop(state);
        self.session.show_pending();
        result
    }
}

/// The caller has given up.
impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut state = self.session.state();
        let pending = self.take_back(&mut state);
        if self.in_doubt {
            state.lose(ErrorKind::Timeout, pending);
            drop(state);
            // Runs closures of the application, one of which may be why this is dropped.
            if !std::thread::panicking() {
                self.session.show_pending();
            }
        } else {
            state.pending.put_back(pending);
        }
    }
}

/// What a write did; if too few replicas have confirmed it, `done`, and the error that says so.
fn confirmed_or_not<T>(result: Result<T, Error>, done: T) -> Result<(T, Option<Error>), Error> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotReplicated => Ok((done, Some(error))),
        result => result.map(|done| (done, None)),
    }
}

impl From<&Live> for Written {
    fn from(live: &Live) -> Self {
        Self { key: live.key, record: Arc::clone(&live.record), fields: Arc::clone(&live.fields) }
    }
}

impl Settings {
    fn plan(&self, base: &Base, pending: &Pending, now: Timestamp) -> (StoreCall, TransportChange) {
        let due = |live: &Live| self.policy().is_touch_due(&live.record, live.idle_deadline, now);
        plan(base.arrived(due), pending.intent(base))
    }
}

impl State {
    /// Adds what another commit wants the client to be told.
    fn tell(&mut self, change: TransportChange) {
        self.transport = match (self.transport, change) {
            (earlier, TransportChange::Keep) => earlier,
            // Setting the token says all that refreshing it would.
            (TransportChange::Set, TransportChange::Refresh) => TransportChange::Set,
            (_, later) => later,
        };
    }
}

impl Session {
    /// Settles a commit that needs no store: that of most requests. Not while another one is
    /// under way, which may have something to tell the client. Nobody else saves as long as the
    /// permit is held.
    pub(super) fn has_nothing_to_save(&self) -> Option<SemaphorePermit<'_>> {
        let turn = self.0.committing.try_acquire().ok()?;
        let mut state = self.state();
        let now = self.sessions().clock().now();
        let (call, change) = self.settings().plan(&state.base, &state.pending, now);
        if call != StoreCall::None {
            return None;
        }
        state.tell(change);
        if state.pending.destroy {
            // Done, there being nothing to destroy.
            state.pending = Pending::default();
            state.view = View::default();
            state.version += 1;
        }
        Some(turn)
    }

    /// Lays what is still pending over the base as it now is.
    pub(super) fn show_pending(&self) {
        for _ in 0..MAX_RERUNS {
            let (version, pending, base) = {
                let mut state = self.state();
                if state.pending.log.is_empty() {
                    state.view = View::default();
                    return;
                }
                (state.version, state.pending.clone(), state.base.clone())
            };
            // An operation that cannot be done on this base is reported by the next commit.
            let view = pending.log.replay(base.fields(pending.restart)).unwrap_or_default();
            let mut state = self.state();
            if state.version == version {
                state.view = view;
                return;
            }
        }
    }
}

//! The session of a request that may not need it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::OnceCell;
use tracing::Instrument as _;

use super::report::Read;
use super::state::Base;
use super::{Session, State, commit, report};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::observer::{Rejection, SessionEvent};
use crate::plan::TransportChange;
use crate::sessions::{Sessions, Settings};
use crate::store::{Consistency, Load, Loaded};
use crate::transport::Presented;

/// A visitor's session that nobody has asked for yet.
///
/// Nothing is verified, hashed or loaded until [`load`](LazySession::load) is called, and if it
/// never is, the request costs no more than finding the cookie among the others.
///
/// Clones are handles of the same session, within the same request.
#[derive(Clone)]
pub struct LazySession {
    lazy: Arc<Lazy>,
    consistency: Consistency,
}

struct Lazy {
    sessions: Sessions,
    settings: Arc<Settings>,
    presented: Presented,
    session: OnceCell<Session>,
    /// Somebody has tried to load it: what is answered depends on it, even if nobody could.
    asked_for: AtomicBool,
    /// The response has begun. A session that is loaded later has to know.
    responded: AtomicBool,
}

/// What is left to do when a request has been handled.
#[derive(Debug, Default)]
#[must_use = "the client has to be told, or the response to be replaced"]
pub struct Finished {
    /// Whether the session was asked for, so that the response is one client's alone.
    pub used: bool,
    /// The value of the [response header](Sessions::response_header) to add.
    pub header: Option<String>,
    /// What could not be saved: to be answered in place of the handler's response.
    pub error: Option<Error>,
}

impl LazySession {
    pub(crate) fn new(sessions: Sessions, settings: Arc<Settings>, presented: Presented) -> Self {
        let lazy = Lazy {
            sessions,
            settings,
            presented,
            session: OnceCell::new(),
            asked_for: AtomicBool::new(false),
            responded: AtomicBool::new(false),
        };
        Self { lazy: Arc::new(lazy), consistency: Consistency::default() }
    }

    /// The same session, by a handle whose [`load`](LazySession::load) reads as fresh as that. For
    /// routes that ask for more than others, or for less.
    #[must_use]
    pub fn with_consistency(self, consistency: Consistency) -> Self {
        Self { consistency, ..self }
    }

    /// The session; loaded by the first call, the same for all later ones.
    ///
    /// # Errors
    ///
    /// Those of the store. A session that cannot be read is not an absent one: a later call
    /// tries again.
    pub async fn load(&self) -> Result<Session, Error> {
        self.load_with(self.consistency).await
    }

    /// As [`load`](LazySession::load), as fresh as asked for here. If the session has been loaded
    /// by this request already, that is what it gets.
    ///
    /// # Errors
    ///
    /// As [`load`](LazySession::load).
    pub async fn load_with(&self, consistency: Consistency) -> Result<Session, Error> {
        let load = || async {
            let Lazy { sessions, settings, .. } = &*self.lazy;
            self.lazy.asked_for.store(true, Ordering::Relaxed);
            let span = report::load_span();
            let read = self.read(consistency).instrument(span.clone()).await;
            let read = read.map_err(|error| error.during("load"));
            report::report_load(&span, sessions.observers(), &read);
            let (base, event) = read?;
            let source = report::source(event);
            Ok(Session::open(sessions.clone(), Arc::clone(settings), base, source))
        };
        let session = self.lazy.session.get_or_try_init(load).await?;
        if self.lazy.responded.load(Ordering::SeqCst) {
            session.state().responded = true;
        }
        Ok(session.clone())
    }

    /// The session, if somebody has loaded it.
    pub fn loaded(&self) -> Option<&Session> {
        self.lazy.session.get()
    }

    /// The manager this session belongs to.
    pub fn sessions(&self) -> &Sessions {
        &self.lazy.sessions
    }

    async fn read(&self, consistency: Consistency) -> Read {
        let Lazy { sessions, settings, presented, .. } = &*self.lazy;
        let rejected = |why| Ok((Base::Dead, Some(SessionEvent::Rejected(why))));
        let value = match presented {
            Presented::Nothing => return Ok((Base::Nothing, None)),
            Presented::Malformed => return rejected(Rejection::Malformed),
            Presented::Value(value) => value,
        };
        let Some(token) = settings.transport().read(value) else {
            return rejected(settings.transport().rejection());
        };
        let key = Key::of(&token, sessions.namespace());
        let loaded = sessions.store().load(&key, Load::default().consistency(consistency)).await;
        let live = match loaded {
            Ok(Loaded::Found { record, source }) => {
                let live = settings.live(token, key, record);
                live.map(|live| (Base::Live(live), Some(SessionEvent::Loaded(source))))
            }
            Ok(Loaded::Absent) => Ok((Base::Dead, Some(SessionEvent::Absent))),
            Ok(Loaded::Unchanged { .. }) => {
                let message = "the store compared with a revision it was not given";
                Err(Error::new(ErrorKind::Corrupt, message))
            }
            Err(error) => Err(error),
        };
        // What nobody can read is no session: the visitor signs in again, and the operator is
        // told. An outage, in contrast, is an error.
        live.or_else(|error| match error.kind() {
            ErrorKind::Corrupt | ErrorKind::TooLarge => {
                tracing::error!(%error, ?key, "a stored session cannot be read");
                Ok((Base::Unreadable(key), Some(SessionEvent::Unreadable)))
            }
            _ => Err(error),
        })
    }

    /// Saves what is pending and tells what the response must say. For adapters, once per
    /// request, before the head of the response goes out.
    ///
    /// `refused` says that the response is an error already, so that a failure which the handler
    /// has seen and answered is not answered a second time.
    pub async fn finish(&self, refused: bool) -> Finished {
        self.lazy.responded.store(true, Ordering::SeqCst);
        let Some(session) = self.loaded() else { return self.finished_without() };
        let (saved, _turn) = commit::save(session).await;
        self.finished(session, saved.err(), refused)
    }

    /// As [`finish`](LazySession::finish), for the many requests that leave nothing to save, and
    /// so nothing to wait for. `None` if there is.
    pub fn finish_at_once(&self, refused: bool) -> Option<Finished> {
        let Some(session) = self.loaded() else {
            self.lazy.responded.store(true, Ordering::SeqCst);
            // Unless it has been loaded in this very moment.
            return self.loaded().is_none().then(|| self.finished_without());
        };
        let _turn = session.has_nothing_to_save()?;
        self.lazy.responded.store(true, Ordering::SeqCst);
        Some(self.finished(session, None, refused))
    }

    /// What there is to say of a session that nobody has: whether anybody wanted it.
    fn finished_without(&self) -> Finished {
        let used = self.lazy.asked_for.load(Ordering::Relaxed);
        Finished { used, header: None, error: None }
    }

    /// Ends the time in which the client can be told anything. The caller holds the permit to
    /// save, so nothing that has to be told comes in between.
    fn finished(&self, session: &Session, failed: Option<Error>, refused: bool) -> Finished {
        let mut state = session.state();
        state.responded = true;
        let error = match (failed, &state.lost) {
            (Some(error), _) => Some(error),
            (None, Some(lost)) if !refused => Some(lost.to_error()),
            _ => None,
        };
        let header = self.response_value(&state);
        Finished { used: true, header, error }
    }

    fn response_value(&self, state: &State) -> Option<String> {
        let transport = self.lazy.settings.transport();
        match (state.transport, state.base.live()) {
            (TransportChange::Keep, _) => None,
            (TransportChange::Clear, _) => Some(transport.clear()),
            (change @ (TransportChange::Set | TransportChange::Refresh), Some(live)) => {
                let remaining = live.idle_deadline.since(self.sessions().clock().now());
                let max_age = transport.max_age(remaining, live.record.timeouts.is_some());
                let needed = change == TransportChange::Set || max_age.is_some();
                needed.then(|| transport.set(&live.token, max_age))
            }
            (TransportChange::Set | TransportChange::Refresh, None) => None,
        }
    }
}

/// Shows neither what was presented nor what was loaded.
impl fmt::Debug for LazySession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazySession")
            .field("presented", &self.lazy.presented)
            .field("session", &self.loaded())
            .finish_non_exhaustive()
    }
}

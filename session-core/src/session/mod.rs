//! The session as a handler sees it.

mod changes;
mod commit;
mod flash;
mod lazy;
mod report;
mod state;
mod typed;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

pub use self::flash::{Flash, Level};
pub use self::lazy::{Finished, LazySession};
pub use self::typed::{SessionData, TypedSession};

use self::changes::{Name, Operation, Recompute};
pub(crate) use self::state::Live;
use self::state::{Base, State};
use crate::clock::Timestamp;
use crate::codec;
use crate::error::{Error, ErrorKind};
use crate::fields::Field;
use crate::key::Key;
use crate::sessions::{Handle, Sessions, Settings};
use crate::store::Source;
use crate::subject::{Device, Subject};
use crate::sync::lock;
use crate::timeouts::Timeouts;

/// A visitor's session, loaded.
///
/// Reading and changing it are plain calls. Changes are kept as operations and saved in one
/// conditional write when the request ends, or at [`commit`](Session::commit). If another request
/// has written meanwhile, the operations are replayed on what that one left: neither change is
/// lost. If the session was destroyed meanwhile it stays dead.
///
/// A visitor without a session has an empty one; it comes to life with the first value stored.
///
/// Clones are handles of the same session, within the same request.
///
/// ```
/// # use session_core::{Error, Session};
/// # fn handler(session: &Session) -> Result<(), Error> {
/// session.insert("theme", &"dark")?;
/// let visits: u64 = session.update("visits", |visits| visits.unwrap_or(0) + 1)?;
/// let theme: Option<String> = session.get("theme")?;
/// # let _ = (visits, theme);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    sessions: Sessions,
    settings: Arc<Settings>,
    source: Option<Source>,
    state: Mutex<State>,
    /// One commit at a time, however many clones ask for one.
    committing: Semaphore,
}

/// Names a field that holds a `T`: a [`Field<T>`], or a string for any type.
pub trait FieldName<T: ?Sized> {
    /// The name.
    fn field_name(&self) -> &str;
}

impl<T> FieldName<T> for Field<T> {
    fn field_name(&self) -> &str {
        self.name()
    }
}

impl<T: ?Sized> FieldName<T> for &str {
    fn field_name(&self) -> &str {
        self
    }
}

impl<T: ?Sized> FieldName<T> for &String {
    fn field_name(&self) -> &str {
        self
    }
}

/// # Fields
impl Session {
    /// The value of a field, `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`](crate::ErrorKind::Value) if what is stored is no `T`. It stays
    /// stored.
    pub fn get<T: DeserializeOwned>(&self, field: impl FieldName<T>) -> Result<Option<T>, Error> {
        let name = field.field_name();
        let state = self.state();
        let value = state.get(name).map(|bytes| codec::decode(self.codec(), bytes));
        value.transpose().map_err(|error| error.during("get").with("field", name))
    }

    /// Whether the field has a value, of whatever type.
    pub fn contains(&self, field: impl AsRef<str>) -> bool {
        self.state().get(field.as_ref()).is_some()
    }

    /// Stores a value, in place of whatever the field held.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`](crate::ErrorKind::Value) if the codec cannot express it,
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) if it alone is over the limit for all.
    pub fn insert<T: Serialize + ?Sized>(
        &self,
        field: impl FieldName<T>,
        value: &T,
    ) -> Result<(), Error> {
        let name = field.field_name();
        let value = encode(&self.0.settings, name, value)
            .map_err(|error| error.during("insert").with("field", name))?;
        self.state().push(Operation::Insert(name.into(), value));
        Ok(())
    }

    /// Removes a field. True if it had a value.
    pub fn remove(&self, field: impl AsRef<str>) -> bool {
        let name = field.as_ref();
        let mut state = self.state();
        let there = state.get(name).is_some();
        if there {
            let name: Name = name.into();
            state.push(Operation::Remove(Arc::clone(&name)));
            state.forget_absent(Some(&name));
        }
        there
    }

    /// Removes all fields. Who is signed in, and all else, stays.
    pub fn clear(&self) {
        let mut state = self.state();
        if !state.has_no_fields() {
            state.push(Operation::Clear);
            state.forget_absent(None);
        }
    }

    /// Computes a field's value from its present one, and returns it.
    ///
    /// `change` runs at once, and again on the then current value for each time the save finds
    /// that another request has written: so it must depend on nothing but its argument, and the
    /// value finally stored may differ from the one returned here. Where that matters, use
    /// [`update_now`](Session::update_now).
    ///
    /// # Errors
    ///
    /// As [`get`](Session::get) and [`insert`](Session::insert).
    pub fn update<T, F>(&self, field: impl FieldName<T>, change: F) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: Fn(Option<T>) -> T + Send + Sync + 'static,
    {
        let name: Name = field.field_name().into();
        let (recompute, last) = remembering(self.settings_shared(), &name, change);
        self.push_update(name, recompute).map_err(|error| error.during("update"))?;
        lock(&last).take().ok_or_else(computed_nothing)
    }

    /// Computes a field's value from its present one, saves everything pending at once, and
    /// returns the value as it was stored: no two calls on one session get the same turn.
    ///
    /// If that fails, or the call is dropped, the update is not pending any more. What was pending
    /// before still is, unless nobody knows whether it was saved.
    ///
    /// # Errors
    ///
    /// As [`update`](Session::update) and [`commit`](Session::commit).
    pub async fn update_now<T, F>(&self, field: impl FieldName<T>, change: F) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: Fn(Option<T>) -> T + Send + Sync + 'static,
    {
        let name: Name = field.field_name().into();
        let (recompute, last) = remembering(self.settings_shared(), &name, change);
        self.push_update(name, Arc::clone(&recompute)).map_err(|error| error.during("update"))?;
        let pushed = Pushed { session: self, recompute };
        self.commit().await?;
        drop(pushed);
        lock(&last).take().ok_or_else(computed_nothing)
    }

    /// Runs the closure outside the lock, so it may use this session, and logs it once what it
    /// was given is what the field holds.
    fn push_update(&self, name: Name, recompute: Recompute) -> Result<(), Error> {
        for _ in 0..MAX_RERUNS {
            let present = self.state().get(&name).map(Bytes::copy_from_slice);
            let value = recompute(present.as_deref())?;
            let mut state = self.state();
            if state.get(&name) == present.as_deref() {
                if value.is_some() || present.is_some() {
                    let is_gone = value.is_none();
                    state.view.put(&name, value);
                    state.push(Operation::Update(Arc::clone(&name), recompute));
                    if is_gone {
                        state.forget_absent(Some(&name));
                    }
                }
                return Ok(());
            }
        }
        let message = "the field changed each time its new value had been computed";
        Err(Error::new(ErrorKind::Misuse, message).with("field", name))
    }
}

/// An update that nobody is to find saved at the end of the request if its call has failed or was
/// given up. When this is dropped it is taken back, if it is still pending.
struct Pushed<'a> {
    session: &'a Session,
    recompute: Recompute,
}

impl Drop for Pushed<'_> {
    fn drop(&mut self) {
        let mut state = self.session.state();
        if !state.pending.log.withdraw(&self.recompute) {
            return;
        }
        state.version += 1;
        drop(state);
        // Runs closures of the application, one of which may be why this is dropped.
        if !std::thread::panicking() {
            self.session.show_pending();
        }
    }
}

/// How often a closure is run again because the session changed under it, before the closure
/// itself is taken for the cause.
const MAX_RERUNS: usize = 64;

/// # Identity
impl Session {
    /// Signs a subject in: under a new id, from now on, with a full absolute timeout.
    ///
    /// What an anonymous visitor had stays; what another subject had does not. The old id is dead
    /// from the moment the new one lives (OWASP ASVS 5.0, 7.2.4).
    ///
    /// Where there is a [limit](crate::SessionsBuilder::session_limit) on a subject's sessions, the
    /// save may end older ones or fail.
    pub fn log_in(&self, subject: Subject) {
        let mut state = self.state();
        if state.subject().is_some_and(|present| *present != subject) {
            // Circumstances of this client, not data of the other subject.
            let (device, timeouts) = (state.pending.device.take(), state.pending.timeouts.take());
            state.restart();
            state.pending.device = device;
            state.pending.timeouts = timeouts;
        }
        state.pending.subject = Some(subject);
        state.version += 1;
    }

    /// Signs out: the session ends, in the store and so everywhere, with all it held. What the
    /// handler stores afterwards begins a new, anonymous session.
    pub fn log_out(&self) {
        self.state().restart();
    }

    /// Ends the session, whatever else the handler does with it until it is saved.
    pub fn destroy(&self) {
        let mut state = self.state();
        state.pending.destroy = true;
        state.version += 1;
    }

    /// Ends the session now, and returns once no node's cache serves it any more, even that of a
    /// node that is cut off.
    ///
    /// That may take as long as the staleness bound of the store's caches. For an ordinary log-out
    /// [`log_out`](Session::log_out) or [`destroy`](Session::destroy) is enough.
    ///
    /// # Errors
    ///
    /// As [`commit`](Session::commit), and those of [`Sessions::fence`]: then the session has
    /// ended, but whether every node knows is unknown. It may be called again.
    pub async fn destroy_everywhere(&self) -> Result<(), Error> {
        self.destroy();
        self.commit().await?;
        // Who came without a session has none that a cache could serve.
        if matches!(self.state().base, Base::Nothing) {
            return Ok(());
        }
        self.sessions().fence().await
    }

    /// Gives the session a new id; the old one is dead from then on. For every change of
    /// privilege other than [`log_in`](Session::log_in), which does so itself.
    pub fn rotate(&self) {
        let mut state = self.state();
        state.pending.rotate = true;
        state.version += 1;
    }

    /// Gives this session timeouts of its own, counted from now, or with `None` the application's
    /// again. They are stored with the session, so they hold for its later requests as well.
    pub fn set_timeouts(&self, timeouts: impl Into<Option<Timeouts>>) {
        let mut state = self.state();
        state.pending.timeouts = Some(timeouts.into());
        state.version += 1;
    }

    /// Records what device the session is on, for the list of a subject's sessions.
    pub fn set_device(&self, device: Device) {
        let mut state = self.state();
        state.pending.device = Some(Arc::new(device));
        state.version += 1;
    }

    /// Who is signed in.
    pub fn subject(&self) -> Option<Subject> {
        self.state().subject().cloned()
    }

    /// On what device.
    pub fn device(&self) -> Option<Arc<Device>> {
        self.state().device().cloned()
    }
}

/// # Life
impl Session {
    /// Whether the store has this session.
    pub fn exists(&self) -> bool {
        self.state().live().is_some()
    }

    /// Whether the session holds no fields.
    pub fn is_empty(&self) -> bool {
        self.state().has_no_fields()
    }

    /// When the session began, once it is stored.
    pub fn created_at(&self) -> Option<Timestamp> {
        Some(self.state().live()?.record.created_at)
    }

    /// When the client last proved who it is, as stored.
    pub fn authenticated_at(&self) -> Option<Timestamp> {
        self.state().live()?.record.authenticated_at
    }

    /// When the session ends unless it is used, as stored.
    pub fn idle_deadline(&self) -> Option<Timestamp> {
        Some(self.state().live()?.idle_deadline)
    }

    /// When the session ends whatever happens, as stored.
    pub fn absolute_deadline(&self) -> Option<Timestamp> {
        Some(self.state().live()?.record.absolute_deadline)
    }

    /// The timeouts in force: the session's own, else the application's.
    pub fn timeouts(&self) -> Timeouts {
        self.state().timeouts().unwrap_or(self.0.settings.policy().timeouts)
    }

    /// The public name of the session in its subject's list, once it is stored.
    pub fn handle(&self) -> Option<Handle> {
        Some(Handle::of(&self.state().live()?.key))
    }

    /// Where this request read the session from, `None` if there was none to read.
    pub fn source(&self) -> Option<Source> {
        self.0.source
    }

    /// Saves what is pending now instead of at the end of the request: for WebSockets, streams,
    /// and whatever else goes on after the response has begun.
    ///
    /// After that point a session can neither be created nor get a new id, since the client could
    /// not be told.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Gone`](crate::ErrorKind::Gone): the session was destroyed meanwhile. It
    ///   stays so.
    /// - [`ErrorKind::Conflict`](crate::ErrorKind::Conflict): other requests kept writing.
    /// - [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge),
    ///   [`ErrorKind::Full`](crate::ErrorKind::Full): nothing was written, all is still pending.
    /// - [`ErrorKind::LimitReached`](crate::ErrorKind::LimitReached): the subject has as many
    ///   sessions as it may have. Nobody was signed in, and nothing is pending.
    /// - [`ErrorKind::Misuse`](crate::ErrorKind::Misuse): the client cannot be told any more.
    ///   Nothing was written, and nothing is pending.
    /// - [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable),
    ///   [`ErrorKind::Timeout`](crate::ErrorKind::Timeout): nobody knows whether it was written.
    ///   It is not tried again, so nothing happens twice.
    /// - [`ErrorKind::NotReplicated`](crate::ErrorKind::NotReplicated): it was written, and may be
    ///   lost with the server that did so. The client is given its new token all the same.
    ///
    /// A commit saves for all clones of this session. So one that finds nothing left to save fails
    /// as well if an earlier one has lost what it was to save.
    ///
    /// Cancelling the call leaves the stored session as before or as after.
    pub async fn commit(&self) -> Result<(), Error> {
        commit::commit(self).await
    }
}

impl Session {
    fn open(
        sessions: Sessions,
        settings: Arc<Settings>,
        base: Base,
        source: Option<Source>,
    ) -> Self {
        Self(Arc::new(Inner {
            sessions,
            settings,
            source,
            state: Mutex::new(State::new(base)),
            committing: Semaphore::const_new(1),
        }))
    }

    /// The manager this session belongs to.
    pub fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(crate) fn key(&self) -> Option<Key> {
        Some(self.state().base.live()?.key)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    fn codec(&self) -> &dyn codec::Codec {
        self.0.settings.codec()
    }

    fn settings(&self) -> &Settings {
        &self.0.settings
    }

    fn settings_shared(&self) -> Arc<Settings> {
        Arc::clone(&self.0.settings)
    }
}

/// Shows that there is a session, not what is in it.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Session")
            .field("key", &state.base.live().map(|live| live.key))
            .field("pending", &state.pending.log)
            .finish_non_exhaustive()
    }
}

/// Wraps a typed closure as one over encoded values, and keeps what it computed last.
fn remembering<T, F>(
    settings: Arc<Settings>,
    name: &Name,
    change: F,
) -> (Recompute, Arc<Mutex<Option<T>>>)
where
    T: Serialize + DeserializeOwned + Send + 'static,
    F: Fn(Option<T>) -> T + Send + Sync + 'static,
{
    let last = Arc::new(Mutex::new(None));
    let recompute: Recompute = {
        let (name, last) = (Arc::clone(name), Arc::clone(&last));
        Arc::new(move |present| {
            let present = present.map(|bytes| codec::decode(settings.codec(), bytes)).transpose();
            let value = change(present.map_err(|error| error.with("field", &name))?);
            let encoded = encode(&settings, &name, &value)?;
            *lock(&last) = Some(value);
            Ok(Some(encoded))
        })
    };
    (recompute, last)
}

fn encode<T: Serialize + ?Sized>(
    settings: &Settings,
    name: &str,
    value: &T,
) -> Result<Bytes, Error> {
    let value = codec::encode(settings.codec(), value)?;
    settings.format().limits().check_payload(name.len() + value.len())?;
    Ok(value.into())
}

fn computed_nothing() -> Error {
    Error::new(ErrorKind::Misuse, "an update computed nothing")
}

//! The manager: everything that an application's sessions have in common.

mod builder;
mod devices;
mod limit;
mod settings;
mod turns;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

pub use self::builder::SessionsBuilder;
pub use self::devices::{Handle, SessionInfo};
pub use self::limit::SessionLimit;

pub(crate) use self::settings::Settings;

use self::turns::Turns;
pub(crate) use self::turns::{Turn, Written};
use crate::clock::{Clock, Entropy, Timestamp};
use crate::error::Error;
use crate::namespace::Namespace;
use crate::observer::Observers;
use crate::record::Record;
use crate::session::LazySession;
use crate::store::Store;
use crate::timeouts::Timeouts;
use crate::transport::HeaderNames;

/// An application's sessions of one kind: where they are kept, how long they live, how their
/// tokens travel.
///
/// Cheap to clone; all clones are the same sessions. An application with several kinds of
/// session, say visitors and administrators, has several of these.
///
/// ```
/// # fn main() -> Result<(), session_core::Error> {
/// # fn some_store() -> impl session_core::Store { session_memory::MemoryStore::new() }
/// use session_core::{Sessions, Timeouts};
///
/// let sessions = Sessions::builder(some_store()).timeouts(Timeouts::AAL2).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Sessions(Arc<Shared>);

struct Shared {
    store: Arc<dyn Store>,
    namespace: Namespace,
    headers: HeaderNames,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    observers: Observers,
    turns: Turns,
    settings: ArcSwap<Settings>,
}

/// What an application decides about its sessions' lives.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) timeouts: Timeouts,
    /// The part of the idle timeout that passes before a touch.
    pub(crate) touch_after: f64,
    pub(crate) max_attempts: usize,
    pub(crate) caching: Caching,
    pub(crate) session_limit: Option<SessionLimit>,
}

impl Policy {
    /// Whether moving the idle deadline gains enough to be worth a call to the store.
    pub(crate) fn is_touch_due(
        &self,
        record: &Record,
        idle_deadline: Timestamp,
        now: Timestamp,
    ) -> bool {
        let timeouts = record.timeouts_or(self.timeouts);
        let extended = timeouts.idle_deadline(now, record.absolute_deadline);
        let gain = extended.since(idle_deadline);
        // The last extension is worth it however little it gains, or a session in constant use
        // would end before its time.
        let is_last = extended == record.absolute_deadline;
        gain > Duration::ZERO && (is_last || gain >= timeouts.idle().mul_f64(self.touch_after))
    }
}

/// What a response that used a session says to caches.
///
/// Either way it says `Vary` with the request header that holds the token. A response that
/// belongs to one client must not be given to another (compare Flask CVE-2023-30861, Rails
/// CVE-2024-26144).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caching {
    /// `Cache-Control: no-store`: nobody keeps it.
    #[default]
    NoStore,
    /// `Cache-Control: no-cache="set-cookie"`: caches may keep it, without the cookie, and must
    /// ask before they use it (RFC 9111, section 5.2.2.4). For applications whose responses do
    /// not depend on the session.
    NoCacheSetCookie,
}

impl Caching {
    /// The value of the `Cache-Control` header.
    pub const fn cache_control(self) -> &'static str {
        match self {
            Self::NoStore => "no-store",
            Self::NoCacheSetCookie => "no-cache=\"set-cookie\"",
        }
    }
}

impl Sessions {
    /// Sessions kept in `store`. Everything else has a default.
    pub fn builder(store: impl Store) -> SessionsBuilder {
        SessionsBuilder::new(Arc::new(store))
    }

    /// As [`builder`](Sessions::builder), for a store whose type is known only at run time.
    pub fn builder_shared(store: Arc<dyn Store>) -> SessionsBuilder {
        SessionsBuilder::new(store)
    }

    /// The session of a request. For adapters: `values` are those of the
    /// [request header](Sessions::request_header), in order.
    pub fn open<'a>(&self, values: impl IntoIterator<Item = &'a [u8]>) -> LazySession {
        let settings = self.0.settings.load_full();
        let presented = settings.transport().find(values.into_iter());
        LazySession::new(self.clone(), settings, presented)
    }

    /// The one request header that an adapter hands over, in lower case.
    pub fn request_header(&self) -> &str {
        &self.0.headers.request
    }

    /// The value of the `Vary` header of responses that used a session: the request header.
    pub fn vary(&self) -> &str {
        &self.0.headers.vary
    }

    /// The response header that tells the client about its token, in lower case.
    pub fn response_header(&self) -> &str {
        &self.0.headers.response
    }

    /// What responses that used a session say to caches.
    pub fn caching(&self) -> Caching {
        self.0.settings.load().policy().caching
    }

    /// The timeouts of sessions that have none of their own.
    pub fn timeouts(&self) -> Timeouts {
        self.0.settings.load().policy().timeouts
    }

    /// How many sessions a subject may have at once, if there is a limit.
    pub fn session_limit(&self) -> Option<SessionLimit> {
        self.0.settings.load().policy().session_limit
    }

    /// The name that keeps these sessions apart from all others.
    pub fn namespace(&self) -> &Namespace {
        &self.0.namespace
    }

    /// Where the sessions are kept.
    pub fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    /// As [`store`](Sessions::store), to be kept: for a [`builder_shared`](Sessions::builder_shared)
    /// of other sessions in it, or to [`reload`](Sessions::reload).
    pub fn store_shared(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0.store)
    }

    /// The builder that these sessions are from, to be changed and given to
    /// [`reload`](Sessions::reload).
    pub fn rebuild(&self) -> SessionsBuilder {
        self.0.settings.load().builder.clone()
    }

    /// Replaces timeouts, limits, key rings and the attributes of the cookie, for all clones.
    ///
    /// Requests that have begun keep what they began with; none is dropped, and none sees a part
    /// of the old and a part of the new. Sessions that are alive keep the absolute deadline that
    /// they have. Their idle deadline follows when they are used, a longer one at the next touch, a
    /// shorter one when they are written, since a touch takes no life away. `Max-Age` and the other
    /// attributes of a cookie follow when it is set anew.
    ///
    /// To replace a key, put the new one behind the old one on all nodes, then before it, and
    /// remove the old one when all that it sealed has ended: a session whose payload is sealed with
    /// a key that a node does not have ends there. Requests under way count, as nodes of their own.
    ///
    /// The clock, the source of randomness and the observers stay what they are.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use session_core::{Error, Sessions, Timeouts};
    /// # use session_memory::MemoryStore;
    /// # fn main() -> Result<(), Error> {
    /// let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// // Later, and wherever there is a clone of them:
    /// let shorter = Timeouts::new(Duration::from_secs(600), Duration::from_secs(3600))?;
    /// sessions.reload(sessions.rebuild().timeouts(shorter))?;
    /// assert_eq!(sessions.timeouts(), shorter);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](crate::ErrorKind::Misconfigured) as for
    /// [`build`](SessionsBuilder::build), and for what cannot change while an application runs,
    /// since its sessions, or what its clients hold, would be lost: the store, the namespace, the
    /// codec, whether payloads are encrypted at all, how the token travels, with the cookie's
    /// name, path, domain, partition and kind of protection. Then everything stays as it was.
    pub fn reload(&self, builder: SessionsBuilder) -> Result<(), Error> {
        if !Arc::ptr_eq(&self.0.store, &builder.store) {
            return Err(fixed("store", "another"));
        }
        let (mut settings, namespace) = builder.settings()?;
        settings.succeed(&self.0.settings.load())?;
        if namespace != self.0.namespace {
            return Err(fixed("namespace", format_args!("{:?}", namespace.as_str())));
        }
        self.0.settings.store(Arc::new(settings));
        Ok(())
    }

    /// Returns once no node serves a state older than what was acknowledged before the call, even
    /// one that is cut off: for a revocation whose end somebody waits for.
    ///
    /// At once for a store without caches in front, else within the bound of the caches.
    ///
    /// # Errors
    ///
    /// Those of the store: whether every node knows is unknown.
    pub async fn fence(&self) -> Result<(), Error> {
        self.store().fence().await.map_err(|error| error.during("fence"))
    }

    /// Returns once everything acknowledged is with the store that holds the truth: for the end
    /// of a process, after its last request.
    ///
    /// At once for a store that keeps nothing back.
    ///
    /// # Errors
    ///
    /// Those of the store, which still holds what it could not send.
    pub async fn flush(&self) -> Result<(), Error> {
        self.store().flush().await.map_err(|error| error.during("flush"))
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        &*self.0.entropy
    }

    pub(crate) fn observers(&self) -> &Observers {
        &self.0.observers
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.0.turns
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared {
            store,
            namespace,
            headers: _,
            clock: _,
            entropy: _,
            observers: _,
            turns: _,
            settings,
        } = &*self.0;
        f.debug_struct("Sessions")
            .field("namespace", namespace)
            .field("store", store)
            .field("policy", settings.load().policy())
            .finish_non_exhaustive()
    }
}

/// What sessions and clients of the application depend on is not for a reload to change.
pub(crate) fn fixed(field: &'static str, value: impl fmt::Display) -> Error {
    let reason = "this cannot change while the application runs: restart it, and see in the \
                  documentation of `Sessions::reload` what is lost";
    Error::misconfigured(field, value, reason)
}

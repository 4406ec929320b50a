//! Putting sessions together, and refusing what cannot be right.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::turns::Turns;
use super::{Caching, Policy, SessionLimit, Sessions, Settings, Shared};
use crate::clock::{Clock, Entropy, OsEntropy, SystemClock};
use crate::codec::{Codec, Json, Limits, PayloadFormat};
use crate::error::Error;
#[cfg(feature = "encrypt")]
use crate::key_ring::KeyRing;
use crate::namespace::Namespace;
use crate::observer::{Observer, Observers};
use crate::store::Store;
use crate::timeouts::Timeouts;
use crate::transport::{SessionCookie, SessionHeader, TransportConfig};

/// Builds [`Sessions`]. What is not set has the default named at each method.
#[derive(Clone)]
#[must_use = "nothing happens before `build`"]
pub struct SessionsBuilder {
    pub(super) store: Arc<dyn Store>,
    namespace: Option<String>,
    transport: TransportConfig,
    codec: Arc<dyn Codec>,
    readers: Vec<Arc<dyn Codec>>,
    limits: Limits,
    #[cfg(feature = "compress")]
    compress_over: Option<usize>,
    #[cfg(feature = "encrypt")]
    seal: Option<KeyRing>,
    pub(super) policy: Policy,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    observers: Observers,
}

impl SessionsBuilder {
    /// How often a save is tried unless [told otherwise](SessionsBuilder::max_attempts).
    pub const MAX_ATTEMPTS: usize = 1_000;

    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            namespace: None,
            transport: TransportConfig::Cookie(SessionCookie::default()),
            codec: Arc::new(Json),
            readers: Vec::new(),
            limits: Limits::default(),
            #[cfg(feature = "compress")]
            compress_over: None,
            #[cfg(feature = "encrypt")]
            seal: None,
            policy: Policy {
                timeouts: Timeouts::default(),
                touch_after: 0.1,
                max_attempts: Self::MAX_ATTEMPTS,
                caching: Caching::default(),
                session_limit: None,
            },
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            observers: Observers::default(),
        }
    }

    /// The name that keeps these sessions apart from all others in the store.
    ///
    /// # Default
    ///
    /// The name of the cookie or request header, so that two kinds of session of an application never
    /// mix. Two applications whose cookies have one name, and who share a store, need names here.
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = Some(name.into());
        self
    }

    /// Tokens travel in this cookie.
    ///
    /// # Default
    ///
    /// [`SessionCookie::default`].
    pub fn cookie(mut self, cookie: SessionCookie) -> Self {
        self.transport = TransportConfig::Cookie(cookie);
        self
    }

    /// Tokens travel in this header instead of a cookie.
    pub fn header(mut self, header: SessionHeader) -> Self {
        self.transport = TransportConfig::Header(header);
        self
    }

    /// How long sessions live.
    ///
    /// # Default
    ///
    /// 30 minutes idle, 12 hours in all.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.policy.timeouts = timeouts;
        self
    }

    /// The part of the idle timeout, between 0 and 1, that has to pass since the last extension
    /// before a request that only reads extends the session.
    ///
    /// # Default
    ///
    /// 0.1: a session with 30 minutes of idle timeout ends after 27 to 30 minutes without use.
    ///
    /// # Performance impact
    ///
    /// At most one touch per session and interval; 0 means one for every request.
    pub fn touch_after(mut self, part_of_idle: f64) -> Self {
        self.policy.touch_after = part_of_idle;
        self
    }

    /// How often a save is tried when other requests keep writing to the same session.
    ///
    /// # Default
    ///
    /// [`MAX_ATTEMPTS`](SessionsBuilder::MAX_ATTEMPTS): 1,000. Within one process writers of a
    /// session take turns, and one of them at a time tries, so this counts other processes. One that
    /// writes faster, and has many in its queue, may win so many times in a row.
    pub fn max_attempts(mut self, attempts: usize) -> Self {
        self.policy.max_attempts = attempts;
        self
    }

    /// How values are encoded.
    ///
    /// # Default
    ///
    /// [`Json`]. What another of the built-in codecs has written is read all the same.
    pub fn codec(mut self, codec: impl Codec) -> Self {
        self.codec = Arc::new(codec);
        self
    }

    /// As [`codec`](SessionsBuilder::codec), for a codec whose type is known only at run time.
    pub fn codec_shared(mut self, codec: Arc<dyn Codec>) -> Self {
        self.codec = codec;
        self
    }

    /// Reads what this codec has written as well, for the time of a change from it or to it.
    ///
    /// # Default
    ///
    /// The built-in codecs are read.
    pub fn reading(mut self, codec: Arc<dyn Codec>) -> Self {
        self.readers.push(codec);
        self
    }

    /// Compresses payloads longer than this many bytes.
    ///
    /// # Default
    ///
    /// None are.
    #[cfg(feature = "compress")]
    pub fn compress_over(mut self, bytes: usize) -> Self {
        self.compress_over = Some(bytes);
        self
    }

    /// Encrypts payloads: the first key seals, all open. Payloads that are not sealed, or with no
    /// key of the ring, are rejected.
    ///
    /// # Default
    ///
    /// None are.
    #[cfg(feature = "encrypt")]
    pub fn encrypt(mut self, keys: KeyRing) -> Self {
        self.seal = Some(keys);
        self
    }

    /// How much a session may hold.
    ///
    /// # Default
    ///
    /// [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What responses that used a session say to caches.
    ///
    /// # Default
    ///
    /// [`Caching::NoStore`].
    pub fn caching(mut self, caching: Caching) -> Self {
        self.policy.caching = caching;
        self
    }

    /// How many sessions a subject may have at once (OWASP ASVS 5.0, 7.1.2).
    ///
    /// It is kept by log-ins: before one is answered, there is room for its session. Once all that
    /// race have been answered, no more sessions are left than the limit allows, on however many
    /// nodes they were, as long as all nodes have the same limit.
    ///
    /// - [Evicting the oldest](SessionLimit::evict_oldest): the sessions with the latest log-ins
    ///   stay, whose times are those of the nodes' own clocks. A log-in that is overtaken before it
    ///   is answered ends with [`ErrorKind::Gone`](crate::ErrorKind::Gone); which of two overtakes
    ///   the other within a millisecond is left to chance.
    /// - [Refusing](SessionLimit::refuse): a log-in without room fails with
    ///   [`ErrorKind::LimitReached`](crate::ErrorKind::LimitReached), and the session it came with
    ///   stays as it was. Log-ins at the same moment may each be in the way of the other, so that
    ///   fewer are let in than there was room for. One that finds out only after its write has
    ///   ended the session it came with.
    ///
    /// All of a subject's sessions in the store count, those of other namespaces too. A new id for
    /// a session, or a new log-in of the same subject to it, is no further session.
    ///
    /// If the store fails after the write, so does the log-in, and its session is deleted again.
    /// Where that fails too, the answer to the write is lost, or the request is dropped in between,
    /// a session is left whose token nobody has. It counts until it ends or is evicted. A session
    /// that is given a new id in the very moment of a listing may be overlooked by it; the next
    /// log-in sees it.
    ///
    /// # Default
    ///
    /// No limit.
    ///
    /// # Performance impact
    ///
    /// A log-in lists the subject's sessions: once where it evicts, twice where it may be refused.
    /// Nothing else does. The first log-in after a limit is introduced ends all sessions that are
    /// over it.
    ///
    /// # Example
    ///
    /// ```
    /// use session_core::{SessionLimit, Sessions, Subject};
    /// use session_memory::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), session_core::Error> {
    /// let limit = SessionLimit::refuse(1)?;
    /// let sessions = Sessions::builder(MemoryStore::new()).session_limit(limit).build()?;
    ///
    /// let laptop = sessions.open([]).load().await?;
    /// laptop.log_in(Subject::new("ada")?);
    /// laptop.commit().await?;
    ///
    /// let phone = sessions.open([]).load().await?;
    /// phone.log_in(Subject::new("ada")?);
    /// let error = phone.commit().await.unwrap_err();
    /// assert_eq!(error.kind(), session_core::ErrorKind::LimitReached);
    /// # Ok(())
    /// # }
    /// ```
    pub fn session_limit(mut self, limit: SessionLimit) -> Self {
        self.policy.session_limit = Some(limit);
        self
    }

    /// What tells the time.
    ///
    /// # Default
    ///
    /// [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where random bytes come from.
    ///
    /// # Default
    ///
    /// [`OsEntropy`].
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Who is told of every [`SessionEvent`](crate::SessionEvent). May be called again: all are
    /// told.
    ///
    /// # Default
    ///
    /// Nobody, which costs nothing.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.add(observer);
        self
    }

    /// The sessions.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](crate::ErrorKind::Misconfigured), with the field, its value
    /// and the reason, for whatever cannot be right: a cookie that browsers would drop, a name
    /// that does not fit, a part that is none, a limit on sessions that the store cannot count.
    pub fn build(self) -> Result<Sessions, Error> {
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let (entropy, observers) = (Arc::clone(&self.entropy), self.observers.clone());
        let (settings, namespace) = self.settings()?;
        Ok(Sessions(Arc::new(Shared {
            store,
            namespace,
            headers: settings.transport().header_names(),
            clock,
            entropy,
            observers,
            turns: Turns::new(),
            settings: ArcSwap::from_pointee(settings),
        })))
    }

    /// The part that a reload replaces, and what the sessions are called.
    pub(super) fn settings(self) -> Result<(Settings, Namespace), Error> {
        self.check()?;
        let (transport, namespace) = self.transport.clone().build(self.namespace.as_deref())?;
        let mut format =
            PayloadFormat::new(Arc::clone(&self.codec), namespace.clone(), self.limits);
        for reader in &self.readers {
            format = format.reading(Arc::clone(reader))?;
        }
        #[cfg(feature = "compress")]
        if let Some(bytes) = self.compress_over {
            format = format.compressing_over(bytes);
        }
        #[cfg(feature = "encrypt")]
        if let Some(keys) = &self.seal {
            format = format.sealing(keys, Arc::clone(&self.entropy));
        }
        Ok((Settings::new(transport, format, self), namespace))
    }

    fn check(&self) -> Result<(), Error> {
        if !(0.0..=1.0).contains(&self.policy.touch_after) {
            let reason = "it is a part of the idle timeout, between 0 and 1";
            return Err(Error::misconfigured("touch_after", self.policy.touch_after, reason));
        }
        if self.policy.max_attempts == 0 {
            let reason = "a save is tried once at least";
            return Err(Error::misconfigured("max_attempts", 0, reason));
        }
        if let (Some(limit), None) = (self.policy.session_limit, self.store.subjects()) {
            let reason =
                "this store keeps no index of subjects, so nobody can count their sessions";
            return Err(Error::misconfigured("session_limit", limit.sessions(), reason));
        }
        Ok(())
    }
}

impl fmt::Debug for SessionsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionsBuilder")
            .field("namespace", &self.namespace)
            .field("transport", &self.transport)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

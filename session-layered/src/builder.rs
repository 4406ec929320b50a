//! How to make a layered store.

use std::sync::Arc;
use std::time::Duration;

use session_core::{Clock, Entropy as _, Error, NodeId, OsEntropy, Store, SystemClock};

use crate::cache::{FIXED_BYTES, LocalCache};
use crate::defences::Defences;
use crate::lane::Lanes;
use crate::node::Node;
use crate::stats::Counters;
use crate::store::Layered;
use crate::stripe::Stripes;
use crate::tombstones::Tombstones;
use crate::touch_queue::TouchQueue;

/// Settings of a [`Layered`] store.
///
/// ```
/// use std::time::Duration;
///
/// use session_layered::Layered;
/// use session_memory::MemoryStore;
///
/// let store = Layered::builder(MemoryStore::new()).max_staleness(Duration::from_secs(1)).build();
/// assert!(store.is_ok());
///
/// let error = Layered::builder(MemoryStore::new()).max_bytes(0).build().unwrap_err();
/// assert_eq!(error.context("field"), Some("max_bytes"));
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is built before `build`"]
pub struct LayeredBuilder {
    shared: Arc<dyn Store>,
    max_bytes: usize,
    ttl: Duration,
    max_staleness: Duration,
    stale_if_error: Duration,
    clock: Arc<dyn Clock>,
    defences: Defences,
    #[cfg(feature = "opentelemetry")]
    meter: Option<crate::metrics::Metered>,
}

impl LayeredBuilder {
    /// A round trip within a data centre, with what a busy machine adds.
    const ROUND_TRIP: Duration = Duration::from_millis(5);
    /// A lease is renewed four times while it lasts, each time by a round trip.
    const MIN_STALENESS: Duration = Self::ROUND_TRIP.saturating_mul(4);
    /// Longer, and nobody who logs out would call it bounded.
    const MAX_STALENESS: Duration = Duration::from_secs(60);
    const MIN_TTL: Duration = Duration::from_millis(1);
    const MAX_TTL: Duration = Duration::from_secs(24 * 3_600);
    /// No address space holds more; a larger number is a slip of the keyboard.
    const MAX_BYTES: usize = isize::MAX as usize;

    pub(crate) fn new(shared: Arc<dyn Store>) -> Self {
        Self {
            shared,
            max_bytes: 64 << 20,
            ttl: Duration::from_secs(30),
            max_staleness: Duration::from_secs(2),
            stale_if_error: Duration::ZERO,
            clock: Arc::new(SystemClock),
            defences: Defences::ALL,
            #[cfg(feature = "opentelemetry")]
            meter: None,
        }
    }

    /// How many bytes of memory the cache may take, its own included: for a session about 1.2 KB,
    /// subject and device, and twice the payload, which may be held decoded, too.
    ///
    /// What is used more often stays: a flood of sessions that are seen once evicts none that is in
    /// use (TinyLFU, Einziger et al. 2017).
    ///
    /// # Default
    ///
    /// 64 MiB.
    pub fn max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// How long a session is cached at most, from 1 ms to a day. Never longer than it lives.
    ///
    /// This has nothing to do with staleness, which [`max_staleness`](Self::max_staleness) bounds:
    /// it frees the memory of sessions that nobody asks for.
    ///
    /// # Default
    ///
    /// 30 seconds.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// How long after a change was acknowledged a node may at most serve what was before, whatever
    /// is cut off, lost, slow, or asleep; from 20 ms to a minute. The same on all nodes: a
    /// [fence](session_core::Store::fence) waits for those that do not answer by its own.
    ///
    /// # Performance impact
    ///
    /// Each node sends an echo through each primary four times within that time: a script there, and
    /// a message. A node that is cut off from the shared store's announcements serves from its cache
    /// for that long, and asks the shared store afterwards.
    ///
    /// # Default
    ///
    /// 2 seconds. Typically a change is known elsewhere within a millisecond.
    pub fn max_staleness(mut self, max_staleness: Duration) -> Self {
        self.max_staleness = max_staleness;
        self
    }

    /// For how long beyond [`max_staleness`](Self::max_staleness) a node may serve what it has
    /// cached while the shared store cannot be reached (compare `stale-if-error`, RFC 5861).
    ///
    /// During an outage nobody's log-out is acknowledged. But a node that is cut off cannot know
    /// whether others are: **this extends the bound on staleness, for nodes that cannot reach the shared
    /// store, by so much.** A [fence](session_core::Store::fence) does not wait for it. Reads of what is not
    /// cached, and all writes, fail all the same.
    ///
    /// # Default
    ///
    /// Zero: the bound is the bound.
    pub fn stale_if_error(mut self, bound: Duration) -> Self {
        self.stale_if_error = bound;
        self
    }

    /// What decides whether a session has expired: the shared store's clock. Leases do not run by
    /// it.
    ///
    /// # Default
    ///
    /// [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Reports what the node counts, by instruments whose names are listed in the
    /// [documentation of `observe`](crate::observe#metrics).
    ///
    /// # Default
    ///
    /// It is counted, and told by [`Layered::stats`] alone.
    #[cfg(feature = "opentelemetry")]
    pub fn meter(mut self, meter: opentelemetry::metrics::Meter) -> Self {
        self.meter = Some(crate::metrics::Metered(meter));
        self
    }

    /// Takes a defence down, to see what it is for.
    ///
    /// # Default
    ///
    /// All are up. Without one of them revoked sessions are served.
    #[cfg(feature = "counter-experiments")]
    pub fn danger_without(mut self, defence: crate::Defence) -> Self {
        self.defences.take_down(defence);
        self
    }

    /// Makes the store. Nothing is asked of the shared store yet: one that cannot be reached is no
    /// error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](session_core::ErrorKind::Misconfigured), with `field` as
    /// context, if the shared store announces nothing, or a setting is out of its bounds;
    /// [`ErrorKind::Entropy`](session_core::ErrorKind::Entropy) if there is no randomness for the
    /// node's number.
    pub fn build(self) -> Result<Layered, Error> {
        self.check()?;
        let Some(backplane) = self.shared.backplane() else {
            let reason = "this store does not announce its changes: a cache in front of it could \
                          not know what has changed elsewhere";
            return Err(Error::misconfigured("shared", format_args!("{:?}", self.shared), reason));
        };
        let mut id = [0; 8];
        OsEntropy.fill(&mut id)?;
        let node = Arc::new(Node {
            id: NodeId(u64::from_ne_bytes(id)),
            backplane,
            store: self.shared,
            cache: LocalCache::new(self.max_bytes as u64, self.ttl, Arc::clone(&self.clock)),
            stripes: Stripes::new(),
            lanes: Lanes::default(),
            touches: TouchQueue::new(),
            tombstones: Tombstones::new(),
            clock: self.clock,
            max_staleness: self.max_staleness,
            stale_if_error: self.stale_if_error,
            counters: Counters::default(),
            defences: self.defences,
        });
        #[cfg(feature = "opentelemetry")]
        if let Some(meter) = self.meter {
            meter.observe(&node);
        }
        // Which may hear its first echo before this returns.
        Ok(Layered::from_node(node))
    }

    fn check(&self) -> Result<(), Error> {
        let shown = |duration| format!("{duration:?}");
        if self.max_bytes < FIXED_BYTES {
            let reason = format!("a session takes {FIXED_BYTES} bytes of cache at least");
            return Err(Error::misconfigured("max_bytes", self.max_bytes, reason));
        }
        if self.max_bytes > Self::MAX_BYTES {
            let reason = "so many bytes fit in no address space";
            return Err(Error::misconfigured("max_bytes", self.max_bytes, reason));
        }
        if !(Self::MIN_TTL..=Self::MAX_TTL).contains(&self.ttl) {
            let reason = "a session is cached for a millisecond to a day";
            return Err(Error::misconfigured("ttl", shown(self.ttl), reason));
        }
        if self.max_staleness < Self::MIN_STALENESS {
            let reason =
                "a lease is renewed by four round trips: less than 20ms leaves no time for them";
            return Err(Error::misconfigured("max_staleness", shown(self.max_staleness), reason));
        }
        if self.max_staleness > Self::MAX_STALENESS {
            let reason = "a log-out that takes longer than a minute to take effect is none";
            return Err(Error::misconfigured("max_staleness", shown(self.max_staleness), reason));
        }
        if self.stale_if_error > Self::MAX_TTL {
            let reason = "what is cached is a day old at most";
            return Err(Error::misconfigured("stale_if_error", shown(self.stale_if_error), reason));
        }
        Ok(())
    }
}

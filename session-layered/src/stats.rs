//! What a node counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::boot_clock::BootTime;
use crate::node::Node;

/// Things that happen, but for hits, which stripes count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// Why a read was not answered from the cache:
    Missed,
    Unleased,
    Emptied,
    Moved,
    Due,
    Strong,
    /// What became of reads of the shared store, and of acknowledged writes:
    Joined,
    Filled,
    FillRefused,
    Stale,
    Risen,
    /// Changes, announced or made here, that found something to evict, or nothing:
    Evicted,
    Unneeded,
    Unintelligible,
    Subscribed,
    OtherEpoch,
    EchoFailed,
    TouchQueued,
    TouchSent,
    TouchGone,
    /// The last, by which their number is known.
    TouchLost,
}

const COUNTS: usize = Count::TouchLost as usize + 1;

#[derive(Debug, Default)]
pub(crate) struct Counters {
    counts: [AtomicU64; COUNTS],
    /// Nanoseconds that the latest echo took, and the slowest.
    lag: AtomicU64,
    longest_lag: AtomicU64,
    #[cfg(feature = "opentelemetry")]
    lags: std::sync::OnceLock<opentelemetry::metrics::Histogram<f64>>,
}

impl Counters {
    pub(crate) fn add(&self, count: Count) {
        self.counts[count as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self, count: Count) -> u64 {
        self.counts[count as usize].load(Ordering::Relaxed)
    }

    /// How long after it was sent an echo came back: what a log-out elsewhere takes to arrive here is
    /// at most that.
    pub(crate) fn lag(&self, lag: Duration) {
        let nanos = u64::try_from(lag.as_nanos()).unwrap_or(u64::MAX);
        self.lag.store(nanos, Ordering::Relaxed);
        self.longest_lag.fetch_max(nanos, Ordering::Relaxed);
        #[cfg(feature = "opentelemetry")]
        if let Some(lags) = self.lags.get() {
            lags.record(lag.as_secs_f64(), &[]);
        }
    }

    #[cfg(feature = "opentelemetry")]
    pub(crate) fn record_lags(&self, lags: opentelemetry::metrics::Histogram<f64>) {
        // Set once, by the builder.
        let _ = self.lags.set(lags);
    }
}

/// What a node has counted since it was made, and how it is at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Reads that were answered from the cache.
    pub hits: u64,
    /// Reads of sessions that were not cached.
    pub misses: u64,
    /// Reads that found an entry and did not use it, and why.
    pub bypassed: Bypassed,
    /// Reads that waited for another one's answer of the shared store.
    pub joined: u64,
    /// Reads answered from the cache during an outage, beyond the bound that holds otherwise.
    pub stale: u64,
    /// Records that were cached, after a read or a write.
    pub filled: u64,
    /// Records that were not cached, since the session may have changed meanwhile.
    pub fill_refused: u64,
    /// Changes that evicted an entry.
    pub evicted: u64,
    /// Changes that found nothing to evict: not cached, or known already.
    pub unneeded: u64,
    /// Announcements that are none.
    pub unintelligible: u64,
    /// Sessions that came back although this node saw them removed, and were removed again.
    pub risen: u64,
    /// Subscriptions that began.
    pub subscriptions: u64,
    /// How often the shared store turned out to have been flushed, restored or swapped.
    pub other_epochs: u64,
    /// Echoes that could not be sent.
    pub echoes_failed: u64,
    /// How long the latest echo took: sent, executed, and handled behind all announcements.
    pub lag: Duration,
    /// How long the slowest echo took.
    pub longest_lag: Duration,
    /// The shortest that is left of a lease: zero if the cache of some primary may not answer.
    pub lease_left: Duration,
    /// Touches that were queued, those that were sent, and those that found no session.
    pub touches: Touches,
    /// Sessions in the cache, about.
    pub entries: u64,
    /// What they weigh, about.
    pub bytes: u64,
}

/// Why an entry was not used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bypassed {
    /// No echo came back for too long.
    pub unleased: u64,
    /// It was cached before the current subscription, or in another epoch.
    pub emptied: u64,
    /// A change arrived while it was looked at.
    pub moved: u64,
    /// Its idle deadline has passed, unless another node has moved it.
    pub due: u64,
    /// The caller asked for the shared store's word.
    pub strong: u64,
}

/// What became of touches that could wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Touches {
    /// Taken on. Several of one session count each, and are sent as one.
    pub queued: u64,
    /// Sent.
    pub sent: u64,
    /// Sent, and answered that there is no such session any more.
    pub gone: u64,
    /// Given up, after the session had ended unreachable.
    pub lost: u64,
    /// Not sent yet.
    pub waiting: u64,
}

impl Node {
    pub(crate) fn stats(&self) -> Stats {
        let count = |count| self.counters.get(count);
        let nanos = |nanos: &AtomicU64| Duration::from_nanos(nanos.load(Ordering::Relaxed));
        Stats {
            hits: self.stripes.hits(),
            misses: count(Count::Missed),
            bypassed: Bypassed {
                unleased: count(Count::Unleased),
                emptied: count(Count::Emptied),
                moved: count(Count::Moved),
                due: count(Count::Due),
                strong: count(Count::Strong),
            },
            joined: count(Count::Joined),
            stale: count(Count::Stale),
            filled: count(Count::Filled),
            fill_refused: count(Count::FillRefused),
            evicted: count(Count::Evicted),
            unneeded: count(Count::Unneeded),
            unintelligible: count(Count::Unintelligible),
            risen: count(Count::Risen),
            subscriptions: count(Count::Subscribed),
            other_epochs: count(Count::OtherEpoch),
            echoes_failed: count(Count::EchoFailed),
            lag: nanos(&self.counters.lag),
            longest_lag: nanos(&self.counters.longest_lag),
            lease_left: self.lease_left(),
            touches: Touches {
                queued: count(Count::TouchQueued),
                sent: count(Count::TouchSent),
                gone: count(Count::TouchGone),
                lost: count(Count::TouchLost),
                waiting: self.touches.len() as u64,
            },
            entries: self.cache.len(),
            bytes: self.cache.bytes(),
        }
    }

    pub(crate) fn lease_left(&self) -> Duration {
        let now = BootTime::now();
        let left = self.lanes.all().into_iter().map(|lane| lane.lease().since(now));
        left.min().unwrap_or_default()
    }

    /// How many lanes there are that the cache may answer for, and how many that it may not.
    #[cfg(feature = "opentelemetry")]
    pub(crate) fn lanes_by_lease(&self) -> (u64, u64) {
        let now = BootTime::now();
        let lanes = self.lanes.all();
        let leased = lanes.iter().filter(|lane| !lane.lease().since(now).is_zero()).count();
        (leased as u64, (lanes.len() - leased) as u64)
    }
}

//! Answers from the cache (rule 1).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use session_core::Key;

use crate::boot_clock::BootTime;
use crate::cache::Entry;
use crate::node::Node;
use crate::stats::Count;

impl Node {
    /// The entry, if it may be served: nothing that was acknowledged more than `max_staleness`
    /// before this returns can be missing in it. Else, why not.
    pub(crate) fn serve(&self, key: &Key) -> Result<Arc<Entry>, Count> {
        self.serve_within(key, Duration::ZERO)
    }

    /// What may be served, although the shared store cannot be asked, where a longer bound is
    /// allowed during an outage.
    pub(crate) fn serve_stale(&self, key: &Key) -> Option<Arc<Entry>> {
        self.serve_within(key, self.stale_if_error).ok()
    }

    /// The order is what counts. A thread that is held up after it has found an entry may find a
    /// lease that was extended meanwhile, by an echo behind the announcement that has evicted just
    /// this entry. So the lease is read after the entry, the generation once more after the lease, and
    /// the clock last: a lease that covers a change has seen the generation move.
    fn serve_within(&self, key: &Key, grace: Duration) -> Result<Arc<Entry>, Count> {
        let stripe = self.stripes.of(key);
        let generation = stripe.generation();
        let Some(entry) = self.cache.get(key) else { return Err(Count::Missed) };
        let lease = entry.under.lane.lease();
        if !entry.under.is_current() {
            return Err(Count::Emptied);
        }
        if stripe.generation() != generation && self.defences.stripes {
            return Err(Count::Moved);
        }
        if BootTime::now() >= lease.plus(grace) && self.defences.lease {
            return Err(Count::Unleased);
        }
        if entry.is_due(self.clock.now()) {
            return Err(Count::Due);
        }
        Ok(entry)
    }

    /// Counted apart from the other counts: it is the one thing that all cores do all the time.
    pub(crate) fn count_hit(&self, key: &Key) {
        self.stripes.of(key).hits.fetch_add(1, Ordering::Relaxed);
    }
}

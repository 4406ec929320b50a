//! What orders fills, writes and announcements of a key.
//!
//! Keys share 4,096 stripes. A stripe's generation moves with every change that this node hears of
//! or makes, after the entry concerned was evicted: who has seen the new generation does not find
//! the old entry any more, and who finds that the generation has moved cannot tell what it read.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use session_core::{Change, Key, Revision};

use crate::flight::Departed;
use crate::sync::lock;

/// Enough for two keys in use to meet seldom, few enough to be had at once.
const STRIPES: usize = 4_096;

/// All stripes of a node.
pub(crate) struct Stripes {
    stripes: Box<[Stripe]>,
    /// Odd, and unknown to whoever draws tokens in the hope that their keys meet.
    multiplier: u64,
}

/// The keys of one stripe.
#[derive(Default)]
#[repr(align(64))]
pub(crate) struct Stripe {
    generation: AtomicU64,
    /// Answers from the cache. Counted here, where cores seldom meet.
    pub(crate) hits: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    /// Local writes under way.
    writes: Vec<Write>,
    /// Loads under way.
    pub(crate) flights: Vec<Departed>,
    last_id: u64,
}

/// A local write that has been sent, or is about to be.
struct Write {
    id: u64,
    key: Key,
    /// The latest change of the key that was heard of, read or acknowledged meanwhile.
    seen: Option<Change>,
}

/// A stripe under its lock.
pub(crate) struct Locked<'a> {
    generation: &'a AtomicU64,
    pub(crate) state: MutexGuard<'a, State>,
}

impl Stripes {
    pub(crate) fn new() -> Self {
        let stripes = (0..STRIPES).map(|_| Stripe::default()).collect();
        Self { stripes, multiplier: RandomState::new().hash_one(STRIPES) | 1 }
    }

    pub(crate) fn of(&self, key: &Key) -> &Stripe {
        const BITS: u32 = STRIPES.trailing_zeros();
        let [a, b, c, d, e, f, g, h, ..] = *key.digest();
        let prefix = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        // The highest bits depend on all of the prefix.
        let index = prefix.wrapping_mul(self.multiplier) >> (u64::BITS - BITS);
        &self.stripes[index as usize]
    }

    /// How many answers came from the cache.
    pub(crate) fn hits(&self) -> u64 {
        self.stripes.iter().map(|stripe| stripe.hits.load(Ordering::Relaxed)).sum()
    }
}

impl Stripe {
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked { generation: &self.generation, state: lock(&self.state) }
    }
}

impl Locked<'_> {
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// The last step of a change, after the entry has been evicted: what was loaded before is not
    /// cached any more, and what was read from the cache meanwhile is not served.
    pub(crate) fn advance(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Tells the writes of `key` that are under way about a change that somebody else may have made,
    /// and says whether there are any.
    pub(crate) fn tell(&mut self, key: &Key, change: Change) -> bool {
        let mut is_being_written = false;
        for write in self.state.writes.iter_mut().filter(|write| write.key == *key) {
            is_being_written = true;
            if write.seen.is_none_or(|seen| is_later(change, seen)) {
                write.seen = Some(change);
            }
        }
        is_being_written
    }

    /// Registers a write of `key`, before it is sent.
    pub(crate) fn register(&mut self, key: Key) -> u64 {
        let id = self.state.next_id();
        self.state.writes.push(Write { id, key, seen: None });
        id
    }

    /// Takes a write out again, and tells what it was told.
    pub(crate) fn finish(&mut self, id: u64) -> Option<Change> {
        let at = self.state.writes.iter().position(|write| write.id == id)?;
        self.state.writes.swap_remove(at).seen
    }
}

impl State {
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

/// Whether a change came after another one of the same key. Nothing comes after the end.
pub(crate) fn is_later(change: Change, other: Change) -> bool {
    match (change, other) {
        (_, Change::Removed) => false,
        (Change::Removed, Change::Revision(_)) => true,
        (Change::Revision(revision), Change::Revision(other)) => revision > other,
    }
}

/// Whether a change makes a record of this revision an old one.
pub(crate) fn outdates(change: Change, revision: Revision) -> bool {
    is_later(change, Change::Revision(revision))
}

#[cfg(test)]
mod tests {
    use session_testkit::sample;

    use super::*;

    const AT: fn(u64) -> Change = |number| Change::Revision(Revision::new(number));

    #[test]
    fn nothing_comes_after_the_end() {
        assert!(is_later(AT(2), AT(1)) && !is_later(AT(1), AT(1)) && !is_later(AT(1), AT(2)));
        assert!(is_later(Change::Removed, AT(9)) && !is_later(AT(9), Change::Removed));
        assert!(!is_later(Change::Removed, Change::Removed));
    }

    #[test]
    fn a_write_learns_the_latest_change_of_its_key_and_no_other() {
        let (key, other) = (sample::key(), sample::key());
        let stripe = Stripe::default();
        let mut locked = stripe.lock();
        let [one, two, strange] = [key, key, other].map(|key| locked.register(key));
        locked.tell(&key, AT(3));
        locked.tell(&key, AT(2));
        assert_eq!(locked.finish(one), Some(AT(3)));
        assert_eq!(locked.finish(one), None, "it is over");
        locked.tell(&key, Change::Removed);
        assert_eq!(locked.finish(two), Some(Change::Removed));
        assert_eq!(locked.finish(strange), None);
    }

    #[test]
    fn keys_are_spread_over_the_stripes() {
        let stripes = Stripes::new();
        let mut used = [0_u32; STRIPES];
        let base = stripes.stripes.as_ptr();
        for _ in 0..STRIPES * 8 {
            let stripe = std::ptr::from_ref(stripes.of(&sample::key()));
            let index = (stripe.addr() - base.addr()) / size_of::<Stripe>();
            used[index] += 1;
        }
        let (most, none) = (used.iter().max(), used.iter().filter(|used| **used == 0).count());
        assert!(most < Some(&40) && none < 20, "{most:?} in one, {none} unused");
    }
}

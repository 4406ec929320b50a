//! What keeps the cache from lying, and for experiments a way to do without.

/// A defence of the protocol.
#[cfg(feature = "counter-experiments")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defence {
    /// Announcements evict what they make old.
    Invalidation,
    /// The cache answers only under a lease.
    Lease,
    /// What was read before a change is not cached after it.
    Stripes,
}

/// Which defences are up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defences {
    pub(crate) invalidation: bool,
    pub(crate) lease: bool,
    pub(crate) stripes: bool,
}

impl Defences {
    pub(crate) const ALL: Self = Self { invalidation: true, lease: true, stripes: true };

    #[cfg(feature = "counter-experiments")]
    pub(crate) fn take_down(&mut self, defence: Defence) {
        match defence {
            Defence::Invalidation => self.invalidation = false,
            Defence::Lease => self.lease = false,
            Defence::Stripes => self.stripes = false,
        }
    }
}

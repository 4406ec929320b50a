//! How much there is of everything, so that a search ends.

/// A configuration. Nothing is bounded in number but changes and flushes: there may be any number
/// of loads, echoes, serves and new subscriptions one after another, and any number of ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// D in ticks: 1 or 2.
    pub(crate) max_staleness: u8,
    pub(crate) nodes: usize,
    /// Keys, in one stripe.
    pub(crate) keys: usize,
    /// Changes of each key, by whomever.
    pub(crate) changes: u8,
    /// Whether some of them may be removals.
    pub(crate) removals: bool,
    /// Whether clients elsewhere may make some of them.
    pub(crate) elsewhere: bool,
    /// Local writes that a node may have under way at once.
    pub(crate) writes: usize,
    /// Loads that a node may have under way at once.
    pub(crate) flights: usize,
    /// Whether they may be joined.
    pub(crate) joins: bool,
    /// Echoes that a node may have under way at once.
    pub(crate) echoes: usize,
    /// Whether subscriptions may be cut.
    pub(crate) cuts: bool,
    pub(crate) reads: Reads,
    /// How often the store may be flushed.
    pub(crate) flushes: u8,
}

/// How threads read the L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// In one step.
    AtOnce,
    /// In the steps it takes, with anything in between.
    StepByStep,
}

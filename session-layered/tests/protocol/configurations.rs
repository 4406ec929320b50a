//! The configurations that are searched: each has as much of something as a search of seconds
//! bears, and little of everything else.

use crate::bounds::{Bounds, Reads};

/// One node that loads and serves; clients elsewhere make the changes.
pub(crate) const LOADS: Bounds = Bounds {
    max_staleness: 1,
    nodes: 1,
    keys: 1,
    changes: 2,
    removals: true,
    elsewhere: true,
    writes: 0,
    flights: 1,
    joins: true,
    echoes: 1,
    cuts: false,
    reads: Reads::StepByStep,
    flushes: 0,
};

/// Two ticks to a D, so that a lease and a flight can be of middle age.
pub(crate) const TWO_TICKS: Bounds = Bounds { max_staleness: 2, ..LOADS };

/// Subscriptions are cut and made anew.
pub(crate) const CUTS: Bounds = Bounds { cuts: true, ..LOADS };

/// Subscriptions are cut while two echoes are on their way.
pub(crate) const CUTS_AND_ECHOES: Bounds =
    Bounds { echoes: 2, joins: false, reads: Reads::AtOnce, ..CUTS };

/// Two loads at once.
pub(crate) const FLIGHTS: Bounds = Bounds { flights: 2, reads: Reads::AtOnce, ..CUTS };

/// The store is flushed.
pub(crate) const FLUSHES: Bounds = Bounds { flushes: 1, ..TWO_TICKS };

/// Two local writes at once, beside changes elsewhere.
pub(crate) const WRITES: Bounds =
    Bounds { changes: 3, writes: 2, flights: 0, joins: false, ..LOADS };

/// Two local writes at once, while subscriptions are cut.
pub(crate) const WRITES_AND_CUTS: Bounds =
    Bounds { changes: 2, cuts: true, reads: Reads::AtOnce, ..WRITES };

/// A local write and a load, beside changes elsewhere.
pub(crate) const WRITES_AND_LOADS: Bounds = Bounds { writes: 1, ..LOADS };

/// A local write and a load, while subscriptions are cut.
pub(crate) const WRITES_LOADS_AND_CUTS: Bounds =
    Bounds { cuts: true, removals: false, reads: Reads::AtOnce, ..WRITES_AND_LOADS };

/// A local write and a load, while the store is flushed.
pub(crate) const WRITES_AND_FLUSHES: Bounds =
    Bounds { flushes: 1, reads: Reads::AtOnce, ..WRITES_AND_LOADS };

/// Two keys in one stripe.
pub(crate) const TWO_KEYS: Bounds = Bounds {
    keys: 2,
    changes: 1,
    removals: false,
    joins: false,
    reads: Reads::AtOnce,
    ..WRITES_AND_LOADS
};

/// Two nodes, and nobody else.
pub(crate) const TWO_NODES: Bounds = Bounds {
    nodes: 2,
    changes: 1,
    removals: false,
    elsewhere: false,
    joins: false,
    reads: Reads::AtOnce,
    ..WRITES_AND_LOADS
};

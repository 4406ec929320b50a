//! The cache protocol of the layered store as a state machine, searched exhaustively.
//!
//! The promise: once a change has been acknowledged, no node serves the older state from its local
//! cache later than D; the node that made the change, never after the acknowledgement. `exhaustive`
//! searches for a broken promise with all [rules](rules::Rule) kept, and finds none within its
//! bounds. `necessary` does so with one rule off at a time, and each time finds a shortest way in
//! which a promise is broken; `traces/` holds them in words. The model shares no code with the
//! crate: it is what the crate is to do.
//!
//! # In the model
//!
//! - A store whose changes, loads and echoes are executed one at a time, some time after they were
//!   sent and some time before their reply is here; a flush that nobody announces.
//! - Nodes with an L1, a stripe's generation, a subscription number and a lease. Loads with those
//!   that join them; local writes and removals, whose reply may be lost; echoes, which may be lost.
//! - Serves in the steps they take, with anything in between: the generation and the entry, the
//!   lease, the subscription number, the generation again and the clock.
//! - A subscription that yields messages in order, until it is cut. The node may go on with what
//!   had been sent, and notices at any time, or never.
//! - Time that passes at any moment. A pause is time in which a node does nothing.
//!
//! Loads, echoes, serves, cuts and ticks are unlimited in number; how many there are at once, and
//! how many changes there are in all, is [bounded](bounds::Bounds).
//!
//! An answer is judged at its last check, by changes acknowledged D ago *or earlier*: a little
//! stricter than the promise. The crate reads the generation and then the clock where the model
//! does both in one step; what a node acknowledges itself between the two counts as after the
//! answer.
//!
//! # Not in the model
//!
//! - Touches: they move a deadline, which has no part in the bound. One that is answered "gone" is
//!   an invalidation more.
//! - Several primaries: each key has one at a time, and a change of that is a new subscription.
//! - A store that loses what it acknowledged, clocks that run at different speeds, and a node that
//!   dies, which takes its L1 along.
//! - The instants between the two writes of an invalidation or insertion, which hold the lock.
//! - A join before the store has executed the load: what it is answered is read after it.
//!
//! # A premise
//!
//! [`GoneForGood`](rules::Rule::GoneForGood) is no rule of the cache: it is the contract's word that
//! a removed session does not come back. Revisions would begin at 1 again and be taken for earlier
//! ones by a local write under way since before the removal. (The crate does a little more than it
//! has to: a session that it creates tells those writes that what they write to has ended.)
//!
//! # Found not necessary
//!
//! The rules hold without these, so none of them is one:
//!
//! - joining a flight only under the subscription number it began under: its age bounds it;
//! - taking the lease back when the subscription is lost or made anew: it runs out by itself;
//! - telling echoes of an old subscription from those of a new one;
//! - evicting when the outcome of a local write is unknown: if it landed, it is announced;
//! - an announcement that evicts what is not of an earlier revision.

mod actions;
mod bounds;
mod configurations;
mod exhaustive;
mod model;
mod necessary;
mod rules;
mod state;
mod steps;
mod words;

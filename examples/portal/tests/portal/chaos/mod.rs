//! The promise of the layered store, under faults: once a change has been acknowledged, no node
//! answers what was before it from its cache later than the bound on staleness.
//!
//! Processes of the portal are asked all the time, every request is written down, and a
//! [`checker`] reads it afterwards. What it finds where a defence of the protocol is down shows that
//! it would have found it here. Each run prints its seed; `CHAOS_SEED` gives it one.

mod checker;
mod faults;
mod history;
mod load;
mod requests;
mod run;
mod site;
mod table;

mod failover;
mod storm;
mod stripes;
#[cfg(feature = "counter-experiments")]
mod without;

use tokio::time::Duration;

/// How long after a change a cache may answer what was before: a fifth of the default, so that
/// there is time for more faults.
const BOUND: Duration = Duration::from_millis(400);

/// How long a call of Redis may take.
const TIMEOUT: Duration = Duration::from_millis(200);

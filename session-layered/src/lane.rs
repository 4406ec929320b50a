//! What this node knows of a primary: since when it listens to it, and until when it may rely on
//! what it has heard.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use session_core::{Lane, Order};

use crate::boot_clock::{BootTime, Latest};
use crate::sync::lock;

/// A lane, with this node's lease on it.
pub(crate) struct Leased {
    pub(crate) lane: Lane,
    /// Number of the subscription, from 1 on. What was cached under another one is dead.
    subscription: AtomicU64,
    /// Until when the cache may answer. Only echoes move it.
    lease: Latest,
    /// Some of the echoes that were handled under this subscription, and when: the latest one of
    /// which it is at least `max_staleness` ago, and later ones.
    echoes: Mutex<VecDeque<(Order, BootTime)>>,
}

/// A subscription of a lane, by its number.
#[derive(Clone)]
pub(crate) struct Subscribed {
    pub(crate) lane: Arc<Leased>,
    pub(crate) number: u64,
}

impl Leased {
    fn new(lane: Lane) -> Self {
        Self {
            lane,
            subscription: AtomicU64::new(0),
            lease: Latest::never(),
            echoes: Mutex::default(),
        }
    }

    /// Everything that was cached of this lane is dead, in one step (rules 7 and 9). Called before
    /// an echo of the new subscription, or of the new epoch, can extend the lease.
    pub(crate) fn begin_subscription(&self) {
        lock(&self.echoes).clear();
        self.subscription.fetch_add(1, Ordering::Release);
    }

    /// What is written and read from now on is seen by the subscription of this number. Zero
    /// before there was one.
    pub(crate) fn subscription(&self) -> u64 {
        self.subscription.load(Ordering::Acquire)
    }

    /// An echo that was sent then has been handled (rule 2).
    pub(crate) fn extend(&self, sent: BootTime, max_staleness: Duration) {
        self.lease.extend_to(sent.plus(max_staleness));
    }

    pub(crate) fn lease(&self) -> BootTime {
        self.lease.get()
    }

    /// An echo has just been handled that was executed in that place. Of a flurry one is enough.
    pub(crate) fn handled(&self, order: Order, now: BootTime, max_staleness: Duration) {
        let mut echoes = lock(&self.echoes);
        while echoes.get(1).is_some_and(|(_, at)| now.since(*at) >= max_staleness) {
            echoes.pop_front();
        }
        let is_due = |(_, at): &(_, BootTime)| now.since(*at) >= max_staleness / 8;
        if echoes.back().is_none_or(is_due) {
            echoes.push_back((order, now));
        }
    }

    /// An echo that was executed at least `max_staleness` before now, under this subscription.
    /// Whatever lease an echo before it has brought to a node has run out.
    pub(crate) fn outlived(&self, now: BootTime, max_staleness: Duration) -> Option<Order> {
        let echoes = lock(&self.echoes);
        let is_over = |(_, at): &&(_, BootTime)| now.since(*at) >= max_staleness;
        echoes.iter().rev().find(is_over).map(|(order, _)| *order)
    }
}

impl Subscribed {
    /// Whether this is the lane's subscription still.
    pub(crate) fn is_current(&self) -> bool {
        self.number == self.lane.subscription()
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.number == other.number && Arc::ptr_eq(&self.lane, &other.lane)
    }
}

impl fmt::Debug for Leased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leased")
            .field("lane", &self.lane)
            .field("subscription", &self.subscription())
            .field("lease_left", &self.lease().since(BootTime::now()))
            .finish()
    }
}

/// The lanes that this node listens to.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    known: RwLock<HashMap<Lane, Arc<Leased>>>,
    /// How many echoes were sent on all of them, and on those that are gone.
    echoes: AtomicU64,
}

impl Lanes {
    pub(crate) fn get(&self, lane: Lane) -> Option<Arc<Leased>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(&lane).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Leased>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The number of another echo. A lane that goes and comes back finds no number used twice.
    pub(crate) fn next_echo(&self) -> u64 {
        self.echoes.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// There are these lanes and no other.
    pub(crate) fn set(&self, lanes: &[Lane]) -> Vec<Arc<Leased>> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|lane, _| lanes.contains(lane));
        let leased = |lane: &Lane| {
            known.entry(*lane).or_insert_with(|| Arc::new(Leased::new(*lane))).clone()
        };
        lanes.iter().map(leased).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_subscription_ends_what_was_under_the_old_one_and_leaves_the_lease() {
        let lanes = Lanes::default();
        let lane = lanes.set(&[Lane(3)]).remove(0);
        assert_eq!(lane.lease(), BootTime::NEVER);
        lane.begin_subscription();
        let first = Subscribed { lane: Arc::clone(&lane), number: lane.subscription() };
        let sent = BootTime::now();
        lane.extend(sent, Duration::from_secs(2));
        assert!(first.is_current());
        lane.begin_subscription();
        assert!(!first.is_current());
        assert_eq!(lane.lease(), sent.plus(Duration::from_secs(2)), "it runs out by itself");
    }

    #[test]
    fn what_was_executed_long_ago_is_known_until_the_subscription_ends() {
        const D: Duration = Duration::from_secs(2);
        let lane = Leased::new(Lane(0));
        let begun = BootTime::now();
        lane.handled(Order(7), begun, D);
        lane.handled(Order(8), begun, D);
        let later = begun.plus(D);
        assert_eq!(lane.outlived(begun.plus(D / 2), D), None);
        assert_eq!(lane.outlived(later, D), Some(Order(7)));
        lane.handled(Order(9), later, D);
        assert_eq!(lane.outlived(later, D), Some(Order(7)));
        assert_eq!(lane.outlived(later.plus(D), D), Some(Order(9)));
        lane.begin_subscription();
        assert_eq!(lane.outlived(later.plus(D), D), None);
    }

    /// Its numbers begin anew, and what was known under them is not.
    #[test]
    fn a_lane_that_comes_back_is_another_one() {
        let lanes = Lanes::default();
        let subscribed = || {
            let lane = lanes.set(&[Lane(1)]).remove(0);
            lane.begin_subscription();
            Subscribed { number: lane.subscription(), lane }
        };
        let before = subscribed();
        lanes.set(&[]);
        let after = subscribed();
        assert_eq!(before.number, after.number);
        assert!(!after.is_same(&before) && after.is_same(&after.clone()));
    }

    #[test]
    fn lanes_that_stay_keep_their_state() {
        let lanes = Lanes::default();
        lanes.set(&[Lane(1), Lane(2)]).iter().for_each(|lane| lane.begin_subscription());
        let now = lanes.set(&[Lane(2), Lane(3)]);
        assert_eq!(now.iter().map(|lane| lane.subscription()).collect::<Vec<_>>(), [1, 0]);
        assert!(lanes.get(Lane(1)).is_none());
        assert_eq!(lanes.all().len(), 2);
    }
}

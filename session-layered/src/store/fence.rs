//! Waits until no node can serve what is not true any more.

use std::future::pending;
use std::time::Duration;

use futures_util::future::try_join_all;
use session_core::{Error, ErrorKind, Heartbeat, Lane};
use tokio::time::sleep;

use crate::boot_clock::BootTime;
use crate::lane::Leased;
use crate::node::Node;

/// Between two looks at what nodes have confirmed; each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

impl Node {
    /// Returns once no node serves a state older than what was acknowledged before the call:
    /// when each has confirmed on every lane, or after `max_staleness`.
    ///
    /// An echo whose number is higher than the one that was listed as sent was executed after the
    /// list was read, and so after everything that was acknowledged before the call. A node that
    /// tells in a later echo to have handled it has first handled, in order, the announcements of
    /// all that. So nothing older is in its cache, nor can a load put it there (rule 4).
    ///
    /// Not to wait for a node is right
    ///
    /// - if it is not listed at first: no echo of its own was executed lately, so it has no
    ///   lease, and an echo that brings it one is executed later and covers all that was acknowledged;
    /// - if its latest echo was executed before one that this node handled `max_staleness` ago: then
    ///   its lease has run out, and the same holds.
    ///
    /// The list is complete if no heartbeat of the last `max_staleness` was lost. A flush, a failover,
    /// and slots that move end what this node knows of the lane: its own echo is refused or has
    /// another epoch, or the subscription ends. So it must itself be among those who confirm, under
    /// one subscription that has lasted for so long.
    pub(super) async fn wait_for_all(&self) {
        let confirmed = async {
            if let Err(error) = self.confirmed_by_all().await {
                tracing::debug!(%error, "a fence waits until leases have run out");
                pending().await
            }
        };
        tokio::select! {
            () = sleep(self.max_staleness) => {}
            () = confirmed => {}
        }
    }

    async fn confirmed_by_all(&self) -> Result<(), Error> {
        let lanes = self.backplane.lanes().await?;
        try_join_all(lanes.into_iter().map(|lane| self.confirmed_on(lane))).await?;
        Ok(())
    }

    async fn confirmed_on(&self, lane: Lane) -> Result<(), Error> {
        let leased = self.lanes.get(lane).ok_or_else(|| unknown(lane))?;
        let subscription = leased.subscription();
        let mut awaited = self.may_serve(&leased).await?;
        self.backplane.nudge(lane).await?;
        let mut pause = FIRST_PAUSE;
        while !awaited.is_empty() {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            let now = self.may_serve(&leased).await?;
            awaited
                .retain(|it| now.iter().any(|now| now.node == it.node && now.handled <= it.sent));
        }
        if leased.subscription() == subscription { Ok(()) } else { Err(unknown(lane)) }
    }

    /// The nodes that may have a lease on the lane, of which this is one.
    async fn may_serve(&self, lane: &Leased) -> Result<Vec<Heartbeat>, Error> {
        let unknown = || unknown(lane.lane);
        let outlived = lane.outlived(BootTime::now(), self.max_staleness).ok_or_else(unknown)?;
        let mut nodes = self.backplane.nodes(lane.lane).await?;
        nodes.retain(|it| it.order >= outlived);
        if nodes.iter().any(|it| it.node == self.id) { Ok(nodes) } else { Err(unknown()) }
    }
}

fn unknown(lane: Lane) -> Error {
    let message = "who has a lease is not known, or not for long enough";
    Error::new(ErrorKind::Unavailable, message).with("lane", lane.0)
}

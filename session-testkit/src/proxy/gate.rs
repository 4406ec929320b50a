//! What a fault lets through, and when.

use std::net::SocketAddr;

use tokio::time::{Duration, Instant};

use super::fault::{Direction, Fault, State};

/// Stands in one direction of one connection.
#[derive(Debug)]
pub(super) struct Gate {
    direction: Direction,
    /// Where the server sees the connection come from.
    seen_as: SocketAddr,
    generation: u64,
    /// Bytes that went through since the fault was set.
    passed: u64,
    /// When the last of them did.
    last: Option<Instant>,
}

/// What may be done with bytes that have come to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// At most so many may pass, at least one.
    Pass(usize),
    /// Not before then.
    Wait(Instant),
    /// Not before the fault changes.
    Hold,
    /// Never: the connection ends here.
    Cut,
}

impl Gate {
    pub(super) fn new(direction: Direction, seen_as: SocketAddr) -> Self {
        Self { direction, seen_as, generation: 0, passed: 0, last: None }
    }

    /// What may be done with bytes that came at `arrived`.
    pub(super) fn judge(&mut self, state: &State, arrived: Instant, now: Instant) -> Verdict {
        if self.generation != state.generation {
            let fresh = Self::new(self.direction, self.seen_as);
            *self = Self { generation: state.generation, ..fresh };
        }
        let replies = self.direction == Direction::ToClient;
        match state.fault_of(self.seen_as) {
            // The connection is about to be reset.
            Some(Fault::Refuse | Fault::Reset) => Verdict::Hold,
            Some(Fault::Blackhole(direction)) if direction.covers(self.direction) => Verdict::Hold,
            Some(Fault::Delay(delay)) => pass_from(arrived, delay, usize::MAX, now),
            Some(Fault::CutAfter(limit)) if replies => match limit.saturating_sub(self.passed) {
                0 => Verdict::Cut,
                left => Verdict::Pass(usize::try_from(left).unwrap_or(usize::MAX)),
            },
            Some(Fault::Drip(interval)) if replies => match self.last {
                Some(last) => pass_from(last, interval, 1, now),
                None => Verdict::Pass(1),
            },
            None | Some(Fault::Blackhole(_) | Fault::CutAfter(_) | Fault::Drip(_)) => {
                Verdict::Pass(usize::MAX)
            }
        }
    }

    /// Notes that so many bytes went through, and tells whether the connection ends with them.
    pub(super) fn pass(&mut self, state: &State, bytes: usize, now: Instant) -> bool {
        self.passed += bytes as u64;
        self.last = Some(now);
        let fault = state.fault_of(self.seen_as);
        self.direction == Direction::ToClient
            && matches!(fault, Some(Fault::CutAfter(limit)) if self.passed >= limit)
    }
}

fn pass_from(since: Instant, delay: Duration, bytes: usize, now: Instant) -> Verdict {
    let due = since + delay;
    if now < due { Verdict::Wait(due) } else { Verdict::Pass(bytes) }
}

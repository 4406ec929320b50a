//! How much room there is, to the byte.

use std::mem::size_of;
use std::sync::Mutex;

use session_core::{Device, Error, ErrorKind, Record};

use crate::shard::{Due, Slot};
use crate::subject_index;
use crate::sync::lock;

/// What an allocation takes beyond its size: the allocator's header and rounding.
const ALLOCATION: usize = 16;
/// The two counters in front of what an `Arc` holds.
const ARC: usize = 2 * size_of::<usize>();

/// What keeping a session takes besides payload, subject and device.
///
/// A table is between 7/16 and 7/8 full and a queue between half full and full, unless they have
/// just shrunk: both are taken at half.
pub(crate) const FIXED_BYTES: usize = ALLOCATION
    + ARC
    + size_of::<Record>()
    + 2 * (size_of::<Slot>() + 1)
    + 2 * size_of::<Due>()
    + ALLOCATION;

/// What a subject takes besides its name: the shared string, and an entry of the index, whose
/// tree nodes are two thirds full on average.
const SUBJECT_BYTES: usize = ALLOCATION + ARC + subject_index::ENTRY_BYTES * 3 / 2 + ALLOCATION;

/// What a record weighs. A function of what touches leave alone, so what is released is always
/// what was reserved.
pub(crate) fn weigh(record: &Record) -> usize {
    let subject = record
        .subject
        .as_ref()
        .map_or(0, |subject| SUBJECT_BYTES.saturating_add(subject.as_str().len()));
    let device = record.device.as_ref().map_or(0, |device| weigh_device(device));
    FIXED_BYTES
        .saturating_add(record.payload.as_bytes().len())
        .saturating_add(subject)
        .saturating_add(device)
}

fn weigh_device(device: &Device) -> usize {
    let text = |text: Option<&str>| text.map_or(0, |text| ALLOCATION + text.len());
    ALLOCATION + ARC + size_of::<Device>() + text(device.user_agent()) + text(device.address())
}

/// Room that is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) sessions: usize,
    pub(crate) bytes: usize,
}

/// Gives out room up to a limit, in sessions and in bytes at once.
///
/// Both numbers are behind one lock, so that neither is ever reserved by somebody who is then
/// refused the other. Locked last, and only for the arithmetic.
#[derive(Debug)]
pub(crate) struct Capacity {
    max: Used,
    used: Mutex<Used>,
}

/// There is no room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Capacity {
    pub(crate) fn new(max: Used) -> Self {
        Self { max, used: Mutex::default() }
    }

    pub(crate) fn used(&self) -> Used {
        *lock(&self.used)
    }

    /// Takes the room of one more session.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<(), Full> {
        let mut used = lock(&self.used);
        let sessions = used.sessions + 1;
        let bytes = used.bytes.saturating_add(bytes);
        if sessions > self.max.sessions || bytes > self.max.bytes {
            return Err(Full);
        }
        *used = Used { sessions, bytes };
        Ok(())
    }

    /// Gives the room of a session of `from` bytes to one of `to` bytes.
    pub(crate) fn exchange(&self, from: usize, to: usize) -> Result<(), Full> {
        if from == to {
            return Ok(());
        }
        let mut used = lock(&self.used);
        let bytes = (used.bytes - from).saturating_add(to);
        if to > from && bytes > self.max.bytes {
            return Err(Full);
        }
        used.bytes = bytes;
        Ok(())
    }

    /// Gives back the room of a session.
    pub(crate) fn release(&self, bytes: usize) {
        let mut used = lock(&self.used);
        used.sessions -= 1;
        used.bytes -= bytes;
    }

    /// What to tell who is refused.
    pub(crate) fn error(&self) -> Error {
        let message = "the memory store has no room left, and no live session makes way";
        Error::new(ErrorKind::Full, message)
            .with("max_sessions", self.max.sessions)
            .with("max_bytes", self.max.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use session_core::Subject;

    use super::*;
    use crate::shard::tests::record;

    #[test]
    fn every_part_of_a_record_weighs() {
        let empty = record(0);
        assert_eq!(weigh(&empty), FIXED_BYTES);

        let mut full = record(300);
        let payload = weigh(&full);
        assert_eq!(payload, FIXED_BYTES + 300);
        full.subject = Some(Subject::new("u1001").unwrap());
        let subject = weigh(&full);
        assert_eq!(subject, payload + SUBJECT_BYTES + 5);
        full.device = Some(Arc::new(Device::new().with_user_agent("curl")));
        assert!(weigh(&full) > subject + 4 + size_of::<Device>());
    }

    #[test]
    fn both_limits_hold_and_a_refusal_takes_nothing() {
        let capacity = Capacity::new(Used { sessions: 2, bytes: 100 });
        assert_eq!(capacity.reserve(101), Err(Full));
        assert_eq!(capacity.reserve(usize::MAX), Err(Full));
        assert_eq!(capacity.reserve(60), Ok(()));
        assert_eq!(capacity.reserve(41), Err(Full), "bytes");
        assert_eq!(capacity.exchange(60, 101), Err(Full));
        assert_eq!(capacity.exchange(60, 20), Ok(()));
        assert_eq!(capacity.reserve(80), Ok(()));
        assert_eq!(capacity.reserve(0), Err(Full), "sessions");
        capacity.release(20);
        capacity.release(80);
        assert_eq!(capacity.used(), Used::default());
    }
}

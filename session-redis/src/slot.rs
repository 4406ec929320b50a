//! Which part of a Cluster a key lies in.

use crc::{CRC_16_XMODEM, Crc};
use session_core::Partition;

/// One of the 16,384 parts, by which Cluster spreads keys over primaries.
///
/// Every key of this crate has a hash tag, `{…}`, and its slot is the CRC16 of what is in the
/// braces ([Cluster specification](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(u16);

impl Slot {
    pub(crate) const COUNT: u16 = 16_384;

    pub(crate) fn of_tag(tag: &[u8]) -> Self {
        Self(CRC.checksum(tag) % Self::COUNT)
    }

    /// The slot of all sessions of a partition.
    pub(crate) fn of_partition(partition: Partition) -> Self {
        Self::of_tag(&hex(partition))
    }

    pub(crate) fn new(number: u16) -> Option<Self> {
        (number < Self::COUNT).then_some(Self(number))
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// As `Display` writes a partition, without allocating.
pub(crate) fn hex(partition: Partition) -> [u8; 4] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let [high, low] = *partition.as_bytes();
    [high >> 4, high & 15, low >> 4, low & 15].map(|digit| DIGITS[usize::from(digit)])
}

const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(CRC.checksum(b"123456789"), 0x31c3);
        assert_eq!(Slot::of_tag(b"foo").index(), 12_182);
    }

    #[test]
    fn a_tag_is_what_a_partition_displays_as() {
        let partition = Partition::new([0x0a, 0xf9]);
        assert_eq!(hex(partition).as_slice(), partition.to_string().as_bytes());
    }

    #[test]
    fn partitions_reach_every_sixteenth_of_the_slots() {
        let mut reached = [false; 16];
        for partition in 0..=u16::MAX {
            let slot = Slot::of_partition(Partition::new(partition.to_be_bytes()));
            reached[slot.index() / 1_024] = true;
        }
        assert_eq!(reached, [true; 16]);
    }
}

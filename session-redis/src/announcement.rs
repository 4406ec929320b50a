//! What is published of a change, for the caches of other nodes.
//!
//! ```text
//! offset  size
//! 0       1     version of this format: 1
//! 1       2     partition of the session's key
//! 3       32    digest of the session's key
//! 35      8     u64  revision the session is at now, big-endian; not there when it is gone
//! ```
//!
//! The version alone is a nudge.

use session_core::{Change, Event, Key, Partition, Revision};

/// The message that asks nodes what they have handled.
pub(crate) const NUDGE: &[u8] = &[VERSION];

/// The message that announces a change.
pub(crate) fn encode(key: &Key, change: Change) -> Vec<u8> {
    let mut message = Vec::with_capacity(CHANGED);
    message.push(VERSION);
    message.extend_from_slice(key.partition().as_bytes());
    message.extend_from_slice(key.digest());
    match change {
        Change::Revision(revision) => message.extend_from_slice(&revision.get().to_be_bytes()),
        Change::Removed => {}
    }
    message
}

/// What a message tells; nothing if it is none of ours, for anybody may publish anything.
pub(crate) fn decode(message: &[u8]) -> Option<Event> {
    if message == NUDGE {
        return Some(Event::Nudge);
    }
    let (&[version, partition @ ..], rest) = message.split_first_chunk::<3>()?;
    let (&digest, revision) = rest.split_first_chunk::<{ Key::DIGEST_BYTES }>()?;
    let change = match revision {
        [] => Change::Removed,
        _ => Change::Revision(Revision::new(u64::from_be_bytes(revision.try_into().ok()?))),
    };
    let key = Key::from_parts(Partition::new(partition), digest);
    (version == VERSION).then_some(Event::Changed(key, change))
}

const VERSION: u8 = 1;
/// Length of the longer form.
const CHANGED: usize = 1 + 2 + Key::DIGEST_BYTES + 8;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn key() -> Key {
        let digest = std::array::from_fn(|index| index as u8 + 0x40);
        Key::from_parts(Partition::new([0xAB, 0xCD]), digest)
    }

    #[test]
    fn the_format_does_not_drift() {
        let removed = b"\x01\xAB\xCD@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_";
        assert_eq!(encode(&key(), Change::Removed), removed);
        assert_eq!(
            encode(&key(), Change::Revision(Revision::new(0x102))),
            [removed.as_slice(), b"\x00\x00\x00\x00\x00\x00\x01\x02"].concat()
        );
    }

    #[test]
    fn what_is_announced_is_understood() {
        let revisions = [0, 1, u64::MAX].map(|number| Change::Revision(Revision::new(number)));
        for change in revisions.into_iter().chain([Change::Removed]) {
            assert_eq!(decode(&encode(&key(), change)), Some(Event::Changed(key(), change)));
        }
    }

    #[test]
    fn anything_else_is_not() {
        assert_eq!(decode(NUDGE), Some(Event::Nudge));
        for length in (0..100).filter(|length| ![1, 35, 43].contains(length)) {
            assert_eq!(decode(&vec![VERSION; length]), None, "{length} bytes");
        }
        for version in [0, 2, b'{', 0xFF] {
            for length in [1, 35, 43] {
                assert_eq!(decode(&vec![version; length]), None, "version {version}");
            }
        }
    }

    proptest! {
        #[test]
        fn an_announcement_has_one_spelling(mut message in vec(any::<u8>(), 33..46)) {
            message[0] = VERSION;
            match decode(&message) {
                Some(Event::Changed(key, change)) => prop_assert_eq!(encode(&key, change), message),
                _ => prop_assert!(![35, 43].contains(&message.len())),
            }
        }
    }
}

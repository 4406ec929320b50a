//! What is notified of a change, for the caches of other nodes.
//!
//! ```text
//! 1 4f2a:NHJvY2tldA... 17          the session is at this revision now
//! 1 4f2a:NHJvY2tldA... removed     it is gone
//! 1 nudge                          nodes are asked what they have handled
//! ```
//!
//! First is the version of this format, then the key as it is displayed. On the channel of a
//! node comes the number of its echo, alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use session_core::{Change, Event, Key, NodeId, Partition, Revision};
use sha2::{Digest as _, Sha256};

use crate::table::TableName;

/// The message that asks nodes what they have handled.
pub(crate) const NUDGE: &str = "1 nudge";

/// The message that announces a change.
pub(crate) fn encode(key: &Key, change: Change) -> String {
    match change {
        Change::Revision(revision) => format!("1 {key} {}", revision.get()),
        Change::Removed => format!("1 {key} removed"),
    }
}

/// What a message tells; nothing if it is none of ours, for anybody may notify anything.
pub(crate) fn decode(message: &str) -> Option<Event> {
    if message == NUDGE {
        return Some(Event::Nudge);
    }
    let (key, change) = message.strip_prefix("1 ")?.split_once(' ')?;
    let key = key_of(key)?;
    let change = match change {
        "removed" => Change::Removed,
        number => Change::Revision(Revision::new(decimal(number)?)),
    };
    Some(Event::Changed(key, change))
}

/// The number of an echo.
pub(crate) fn decode_echo(message: &str) -> Option<Event> {
    Some(Event::Echo(decimal(message)?))
}

/// The channel of a table's changes. Names are 63 bytes at most, so it is a digest.
pub(crate) fn channel(table: &TableName) -> String {
    let digest = Sha256::digest(table.to_string());
    format!("session_kit_{}", URL_SAFE_NO_PAD.encode(&digest[..12]))
}

/// The channel of a node's echoes.
pub(crate) fn echo_channel(changes: &str, node: NodeId) -> String {
    format!("{changes}_{:016x}", node.0)
}

fn key_of(text: &str) -> Option<Key> {
    let (partition, digest) = text.split_once(':')?;
    let partition = Partition::new(u16::from_str_radix(partition, 16).ok()?.to_be_bytes());
    let digest = URL_SAFE_NO_PAD.decode(digest).ok()?;
    let key = Key::from_parts(partition, digest.try_into().ok()?);
    // One spelling, so that nothing is taken for a key that was not written by `encode`.
    (key.to_string() == text).then_some(key)
}

fn decimal(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> Key {
        let digest = std::array::from_fn(|index| index as u8 + 0x40);
        Key::from_parts(Partition::new([0xAB, 0xCD]), digest)
    }

    #[test]
    fn the_format_does_not_drift() {
        let text = "1 abcd:QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8";
        assert_eq!(encode(&key(), Change::Removed), format!("{text} removed"));
        assert_eq!(encode(&key(), Change::Revision(Revision::new(17))), format!("{text} 17"));
    }

    #[test]
    fn what_is_announced_is_understood() {
        let revisions = [0, 1, u64::MAX].map(|number| Change::Revision(Revision::new(number)));
        for change in revisions.into_iter().chain([Change::Removed]) {
            assert_eq!(decode(&encode(&key(), change)), Some(Event::Changed(key(), change)));
        }
        assert_eq!(decode(NUDGE), Some(Event::Nudge));
        assert_eq!(decode_echo("12"), Some(Event::Echo(12)));
    }

    #[test]
    fn anything_else_is_not() {
        let good = encode(&key(), Change::Removed);
        let upper = good.replace("abcd", "ABCD");
        let cases = [
            "",
            "1",
            "1 ",
            "2 nudge",
            "1 nudge ",
            "nudge",
            "1 abcd:AAAA removed",
            "1 :: 1",
            &upper,
            &good[..good.len() - 1],
            &good.replace("removed", "-1"),
            &good.replace("removed", "+1"),
            &good.replace("removed", "18446744073709551616"),
            &good.replacen('1', "2", 1),
        ];
        for message in cases {
            assert_eq!(decode(message), None, "{message}");
        }
        for message in ["", "+1", "-1", "1x", "18446744073709551616"] {
            assert_eq!(decode_echo(message), None, "{message}");
        }
    }

    #[test]
    fn channels_have_names_that_postgres_takes() {
        let longest = "x".repeat(TableName::MAX_LEN);
        let table = TableName::parse(&format!("{longest}.{longest}")).unwrap();
        let changes = channel(&table);
        assert!(echo_channel(&changes, NodeId(u64::MAX)).len() < 64);
        assert_ne!(changes, channel(&TableName::parse(&longest).unwrap()));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(message in "1? ?([0-9a-f]{0,5}:)?[A-Za-z0-9_-]{0,50} ?.{0,9}") {
            if let Some(Event::Changed(key, change)) = decode(&message) {
                let again = decode(&encode(&key, change));
                prop_assert_eq!(again, Some(Event::Changed(key, change)));
            }
        }
    }
}

//! What things are called in Redis: every key and every channel begins with the namespace.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use session_core::{Key, Namespace, NodeId, Partition, Subject};
use sha2::{Digest as _, Sha256};

use crate::slot::{Slot, hex};

/// Makes names.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    namespace: Namespace,
    /// What most writes announce themselves on.
    changes: String,
}

impl Names {
    pub(crate) fn new(namespace: Namespace) -> Self {
        let changes = format!("{namespace}:changes");
        Self { namespace, changes }
    }

    /// `namespace:{partition}:digest`. All sessions of a partition lie in one slot, and so a
    /// session and the one it is rotated to.
    pub(crate) fn session(&self, key: &Key) -> Vec<u8> {
        const DIGEST: usize = 43;
        let namespace = self.namespace.as_str();
        let mut name = Vec::with_capacity(namespace.len() + 8 + DIGEST);
        name.extend_from_slice(namespace.as_bytes());
        name.extend_from_slice(b":{");
        name.extend_from_slice(&hex(key.partition()));
        name.extend_from_slice(b"}:");
        let start = name.len();
        name.resize(start + DIGEST, 0);
        // 32 bytes are 43 characters, for which there is room.
        let _ = URL_SAFE_NO_PAD.encode_slice(key.digest(), &mut name[start..]);
        name
    }

    /// Where the sessions of a subject are listed, by the subject's digest: names of people are
    /// of any length and in any alphabet, and are nobody's business who lists keys.
    pub(crate) fn subject(&self, subject: &Subject) -> (Vec<u8>, Slot) {
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(subject.as_str()));
        let name = format!("{}:subject:{{{digest}}}", self.namespace);
        (name.into_bytes(), Slot::of_tag(digest.as_bytes()))
    }

    /// Where nodes write that they live, next to the sessions of the tag's partition.
    pub(crate) fn nodes(&self, tag: [u8; 4]) -> String {
        format!("{}:{{{}}}:nodes", self.namespace, String::from_utf8_lossy(&tag))
    }

    /// Which life of the data this is. Whoever deletes it empties the caches of every node.
    pub(crate) fn epoch(&self, tag: [u8; 4]) -> String {
        format!("{}:{{{}}}:epoch", self.namespace, String::from_utf8_lossy(&tag))
    }

    /// The channel on which a primary announces changes. A Cluster passes every message on to
    /// all of its nodes; the id keeps what the one has executed apart from what others have.
    pub(crate) fn changes(&self, primary: Option<&str>) -> Cow<'_, str> {
        match primary {
            None => Cow::Borrowed(&self.changes),
            Some(id) => Cow::Owned(format!("{}:{id}", self.changes)),
        }
    }

    /// The channel on which a node hears its own echo.
    pub(crate) fn echo(&self, primary: Option<&str>, node: NodeId) -> String {
        match primary {
            None => format!("{}:echo:{:016x}", self.namespace, node.0),
            Some(id) => format!("{}:echo:{:016x}:{id}", self.namespace, node.0),
        }
    }

    /// Where a nonce is remembered.
    pub(crate) fn nonce(&self, nonce: &[u8]) -> (Vec<u8>, Slot) {
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(nonce));
        let name = format!("{}:nonce:{{{digest}}}", self.namespace);
        (name.into_bytes(), Slot::of_tag(digest.as_bytes()))
    }
}

/// What a subject's index holds of a session: the key, and later on the time.
pub(crate) const ENTRY_KEY: usize = 2 + Key::DIGEST_BYTES;

/// With the time at which it was made.
pub(crate) const ENTRY: usize = ENTRY_KEY + 6;

pub(crate) fn entry_key(key: &Key) -> [u8; ENTRY_KEY] {
    let mut bytes = [0; ENTRY_KEY];
    bytes[..2].copy_from_slice(key.partition().as_bytes());
    bytes[2..].copy_from_slice(key.digest());
    bytes
}

/// The key that an entry begins with. One that is too short leads nowhere, but not back: to a key
/// that nobody has, in the same place of the order.
pub(crate) fn key_of_entry(entry: &[u8]) -> Key {
    let mut bytes = entry.iter().copied().chain(std::iter::repeat(0));
    let partition = std::array::from_fn(|_| bytes.next().unwrap_or_default());
    let digest = std::array::from_fn(|_| bytes.next().unwrap_or_default());
    Key::from_parts(Partition::new(partition), digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_with_the_namespace_and_lie_where_their_tag_says() {
        let names = Names::new(Namespace::parse("shop").unwrap());
        let key = Key::from_parts(Partition::new([0xab, 0xcd]), [7; 32]);
        let name = String::from_utf8(names.session(&key)).unwrap();
        assert_eq!(name, format!("shop:{{abcd}}:{}", URL_SAFE_NO_PAD.encode([7; 32])));
        assert!(names.nodes(*b"abcd").starts_with("shop:{abcd}:"));
        assert!(names.epoch(*b"abcd").starts_with("shop:{abcd}:"));
        assert_ne!(names.changes(None), names.changes(Some("id")));
        let (subject, _) = names.subject(&Subject::new("anna").unwrap());
        assert!(!String::from_utf8(subject).unwrap().contains("anna"));
        let entry = [entry_key(&key).as_slice(), &[0; 6]].concat();
        assert_eq!(key_of_entry(&entry), key);
        let short = key_of_entry(&entry[..33]);
        assert!(short < key && entry_key(&short).starts_with(&entry[..33]));
    }
}

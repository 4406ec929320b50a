//! Authenticated encryption of packed fields: XChaCha20-Poly1305 under a key of the ring.
//!
//! ```text
//! sealed = key-id (4 bytes) nonce (24) ciphertext tag (16)
//! ```
//!
//! A nonce of 192 random bits never repeats in practice, however many payloads a key seals.

use std::fmt;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};

use super::failure::corrupt;
use crate::clock::Entropy;
use crate::error::{Error, ErrorKind};
use crate::key_ring::KeyRing;

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// Seals payloads with the first key of a ring, and opens what any of them sealed.
pub(super) struct Seal {
    keys: Box<[SealKey]>,
    entropy: Arc<dyn Entropy>,
}

struct SealKey {
    /// Tells which key sealed a payload. Derived like the key itself, and no secret.
    id: KeyId,
    cipher: XChaCha20Poly1305,
}

type KeyId = [u8; 4];

impl Seal {
    /// By how many bytes a sealed payload is longer.
    pub(super) const OVERHEAD: usize = size_of::<KeyId>() + NONCE_BYTES + TAG_BYTES;

    pub(super) fn new(ring: &KeyRing, entropy: Arc<dyn Entropy>) -> Self {
        let seal_key = |derived: [u8; 64]| {
            let (key, rest) = derived.split_first_chunk::<32>()?;
            let cipher = XChaCha20Poly1305::new(&(*key).into());
            Some(SealKey { id: *rest.first_chunk()?, cipher })
        };
        let keys = ring.derive("payload seal v1", &[]).filter_map(seal_key).collect();
        Self { keys, entropy }
    }

    /// Which keys open here.
    pub(super) fn key_ids(&self) -> Vec<[u8; 4]> {
        self.keys.iter().map(|key| key.id).collect()
    }

    /// Appends `plain`, sealed together with `context`, to `stored`.
    pub(super) fn seal(
        &self,
        context: &[u8],
        plain: &[u8],
        stored: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut nonce = [0; NONCE_BYTES];
        self.entropy.fill(&mut nonce)?;
        let sealing = self.keys.first().and_then(|key| {
            let payload = Payload { msg: plain, aad: context };
            Some((key.id, key.cipher.encrypt(&XNonce::from(nonce), payload).ok()?))
        });
        let (id, ciphertext) = sealing
            .ok_or_else(|| Error::new(ErrorKind::TooLarge, "a payload is too long to be sealed"))?;
        stored.extend_from_slice(&id);
        stored.extend_from_slice(&nonce);
        stored.extend_from_slice(&ciphertext);
        Ok(())
    }

    /// What was sealed together with `context`, and with nothing else.
    pub(super) fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let cut_short = || corrupt("a sealed payload ends before its seal does");
        let (id, rest) = sealed.split_first_chunk::<4>().ok_or_else(cut_short)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(cut_short)?;
        if ciphertext.len() < TAG_BYTES {
            return Err(cut_short());
        }
        let nonce = XNonce::from(*nonce);
        let mut keys = self.keys.iter().filter(|key| key.id == *id).peekable();
        if keys.peek().is_none() {
            return Err(corrupt("a payload is sealed with a key that is not in the ring")
                .with("key id", u32::from_be_bytes(*id)));
        }
        keys.find_map(|key| {
            key.cipher.decrypt(&nonce, Payload { msg: ciphertext, aad: context }).ok()
        })
        .ok_or_else(|| corrupt("a sealed payload was altered, or belongs to another session"))
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seal(keys: {})", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::OsEntropy;

    fn seal(secrets: &[u8]) -> Seal {
        let keys = secrets.iter().map(|byte| vec![*byte; 32]);
        Seal::new(&KeyRing::new(keys).unwrap(), Arc::new(OsEntropy))
    }

    fn sealed(by: &Seal) -> Vec<u8> {
        let mut stored = Vec::new();
        by.seal(b"context", b"plain", &mut stored).unwrap();
        stored
    }

    #[test]
    fn opens_what_it_sealed_in_the_same_context_only() {
        let seal = seal(&[1]);
        let sealed = sealed(&seal);
        assert_eq!(sealed.len(), 5 + Seal::OVERHEAD);
        assert_eq!(format!("{seal:?}"), "Seal(keys: 1)");
        assert!(!sealed.windows(5).any(|window| window == b"plain"));
        assert_eq!(seal.open(b"context", &sealed).unwrap(), b"plain");
        assert_eq!(seal.open(b"Context", &sealed).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn the_first_key_seals_all_open_and_a_removed_one_does_not() {
        let (old, both, new) = (seal(&[1]), seal(&[2, 1]), seal(&[2]));
        assert_eq!(both.open(b"context", &sealed(&old)).unwrap(), b"plain");
        assert_eq!(new.open(b"context", &sealed(&both)).unwrap(), b"plain");
        let error = new.open(b"context", &sealed(&old)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("not in the ring"), "{error}");
    }

    #[test]
    fn two_seals_of_one_payload_differ() {
        let seal = seal(&[1]);
        assert_ne!(sealed(&seal), sealed(&seal));
    }
}

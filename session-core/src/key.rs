//! What a store sees of a token.

use std::fmt;
use std::hash::{Hash, Hasher};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::namespace::Namespace;
use crate::token::{Partition, Token};

/// Where a session lies: the token's partition and the SHA-256 digest of namespace and secret.
///
/// This is all that a store, a log or an error ever sees, so a leaked dump of the store opens
/// no session (compare TYPO3 GHSA-954j-f27r-cj52) and looking one up by its digest leaks
/// nothing through timing (compare Rack CVE-2019-16782).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    partition: Partition,
    digest: [u8; Key::DIGEST_BYTES],
}

impl Key {
    /// Length of the digest.
    pub const DIGEST_BYTES: usize = 32;

    /// The key of `token` in `namespace`.
    pub fn of(token: &Token, namespace: &Namespace) -> Self {
        let name = namespace.as_str().as_bytes();
        let digest = Sha256::new()
            // The length keeps (name, secret) unambiguous; a namespace fits in a byte.
            .chain_update([name.len() as u8])
            .chain_update(name)
            .chain_update(token.secret())
            .finalize();
        Self { partition: token.partition(), digest: digest.into() }
    }

    /// The key of another session library's id in `namespace`, for adapters that keep that
    /// library's sessions in a [`Store`](crate::Store). No token has the same key, whatever its
    /// namespace.
    ///
    /// The id has to be as hard to guess as a token: a digest hides it, and adds nothing to it.
    ///
    /// ```
    /// use session_core::{Key, Namespace};
    ///
    /// let (shop, wiki) = (Namespace::parse("shop")?, Namespace::parse("wiki")?);
    /// let id = 0x5bd1_e995_9d1c_7f3a_u128.to_le_bytes();
    /// assert_ne!(Key::of_foreign_id(&id, &shop), Key::of_foreign_id(&id, &wiki));
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn of_foreign_id(id: &[u8], namespace: &Namespace) -> Self {
        let name = namespace.as_str().as_bytes();
        let digest: [u8; Self::DIGEST_BYTES] = Sha256::new()
            // A namespace is never empty, so no token's digest begins with a length of zero.
            .chain_update([0, name.len() as u8])
            .chain_update(name)
            .chain_update(id)
            .finalize()
            .into();
        // Such a session is never rotated: any two bytes that spread evenly will do.
        Self { partition: Partition::new([digest[0], digest[1]]), digest }
    }

    /// Puts a key together again from what a store or an announcement holds.
    pub const fn from_parts(partition: Partition, digest: [u8; Self::DIGEST_BYTES]) -> Self {
        Self { partition, digest }
    }

    /// Where stores that spread keys over machines place this one.
    pub const fn partition(&self) -> Partition {
        self.partition
    }

    /// The digest.
    pub const fn digest(&self) -> &[u8; Self::DIGEST_BYTES] {
        &self.digest
    }
}

/// By the beginning of the digest, which is as random as all of it. A map still needs a secret of
/// its own: a client chooses what it presents as a token.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.digest;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// The partition in hexadecimal, a colon, the digest in unpadded base64url.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition, URL_SAFE_NO_PAD.encode(self.digest))
    }
}

/// The first characters, enough to tell two keys of a log apart.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}:{}..)", self.partition, URL_SAFE_NO_PAD.encode(&self.digest[..6]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::OsEntropy;

    #[test]
    fn namespaces_have_different_keys_for_one_token() {
        let token = Token::random(&OsEntropy).unwrap();
        let shop = Key::of(&token, &Namespace::parse("shop").unwrap());
        let wiki = Key::of(&token, &Namespace::parse("wiki").unwrap());
        assert_eq!(shop, Key::of(&token, &Namespace::parse("shop").unwrap()));
        assert_ne!(shop.digest(), wiki.digest());
        assert_eq!(shop.partition(), wiki.partition());
    }

    #[test]
    fn no_token_has_the_key_of_a_foreign_id() {
        let token = Token::random(&OsEntropy).unwrap();
        let shop = Namespace::parse("shop").unwrap();
        let foreign = Key::of_foreign_id(token.secret(), &shop);
        assert_eq!(foreign, Key::of_foreign_id(token.secret(), &shop));
        assert_ne!(foreign.digest(), Key::of(&token, &shop).digest());
        // The boundary between name and id is part of what is hashed.
        let (a, ab) = (Namespace::parse("a").unwrap(), Namespace::parse("ab").unwrap());
        assert_ne!(Key::of_foreign_id(b"bc", &a), Key::of_foreign_id(b"c", &ab));
    }

    #[test]
    fn neither_form_shows_the_secret() {
        let token = Token::random(&OsEntropy).unwrap();
        let key = Key::of(&token, &Namespace::parse("shop").unwrap());
        let secret = URL_SAFE_NO_PAD.encode(token.secret());
        assert!(!format!("{key} {key:?}").contains(&secret));
        assert_eq!(key.to_string().len(), 4 + 1 + 43);
        assert_eq!(Key::from_parts(key.partition(), *key.digest()), key);
    }
}

//! The client's secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Entropy;
use crate::error::Error;

/// Two bytes that a session shares with its successors after a rotation.
///
/// Stores that spread keys over machines place by it, so that a session and its rotated
/// successor lie side by side and one atomic step can reach both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition([u8; 2]);

impl Partition {
    /// The partition of these bytes.
    pub const fn new(bytes: [u8; 2]) -> Self {
        Self(bytes)
    }

    /// The two bytes.
    pub const fn as_bytes(&self) -> &[u8; 2] {
        &self.0
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}", self.0[0], self.0[1])
    }
}

/// The client's secret: a partition and 256 random bits.
///
/// Only the client and the transport layer ever see one. Stores, logs, spans and errors see
/// the [`Key`](crate::Key), from which no token can be computed.
///
/// Sessions ask for 64 bits of entropy at least (OWASP Session Management Cheat Sheet) and
/// 128 bits since ASVS 5.0 (7.2.3); 256 leave room.
#[derive(Clone)]
pub struct Token {
    partition: Partition,
    secret: [u8; Token::SECRET_BYTES],
}

impl Token {
    /// Bytes drawn from the random number generator.
    pub const SECRET_BYTES: usize = 32;
    /// Length of the written form.
    pub const TEXT_LEN: usize = 46;
    const BYTES: usize = 2 + Self::SECRET_BYTES;

    /// A new token in a partition drawn with it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Entropy`](crate::ErrorKind::Entropy) when there is no randomness.
    pub fn random(entropy: &dyn Entropy) -> Result<Self, Error> {
        let mut bytes = [0; Self::BYTES];
        entropy.fill(&mut bytes)?;
        Ok(Self::from_bytes(bytes))
    }

    /// A new token in the same partition: the successor of this one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Entropy`](crate::ErrorKind::Entropy) when there is no randomness.
    pub fn successor(&self, entropy: &dyn Entropy) -> Result<Self, Error> {
        let mut secret = [0; Self::SECRET_BYTES];
        entropy.fill(&mut secret)?;
        Ok(Self { partition: self.partition, secret })
    }

    /// Reads the written form, and nothing that merely resembles it: the length, the URL-safe
    /// alphabet and the unused last bits must all be exact, so one token has one spelling.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text: &[u8; Self::TEXT_LEN] = text.try_into().ok()?;
        let mut bytes = [0; Self::BYTES];
        let written = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (written == Self::BYTES).then(|| Self::from_bytes(bytes))
    }

    /// The written form: 46 characters of unpadded base64url (RFC 4648, section 5).
    pub fn to_text(&self) -> String {
        let mut bytes = [0; Self::BYTES];
        let (partition, secret) = bytes.split_at_mut(2);
        partition.copy_from_slice(self.partition.as_bytes());
        secret.copy_from_slice(&self.secret);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The part that survives a rotation.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    pub(crate) fn secret(&self) -> &[u8; Self::SECRET_BYTES] {
        &self.secret
    }

    fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let mut secret = [0; Self::SECRET_BYTES];
        secret.copy_from_slice(&bytes[2..]);
        Self { partition: Partition([bytes[0], bytes[1]]), secret }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::clock::OsEntropy;

    #[test]
    fn text_reads_back_and_debug_tells_nothing() {
        let token = Token::random(&OsEntropy).unwrap();
        let text = token.to_text();
        assert_eq!(text.len(), Token::TEXT_LEN);
        assert_eq!(Token::parse(text.as_bytes()).unwrap().to_text(), text);
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn a_successor_keeps_the_partition_and_nothing_else() {
        let token = Token::random(&OsEntropy).unwrap();
        let successor = token.successor(&OsEntropy).unwrap();
        assert_eq!(token.partition(), successor.partition());
        assert_ne!(token.secret(), successor.secret());
    }

    #[test]
    fn only_the_exact_spelling_is_a_token() {
        let text = Token::random(&OsEntropy).unwrap().to_text();
        let with = |at: usize, byte: u8| {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = byte;
            bytes
        };
        let mut refused = vec![
            Vec::new(),
            text.as_bytes()[..45].to_vec(),
            [text.as_bytes(), b"A"].concat(),
            vec![b'A'; 1_000_000],
            b"../../../../../../../../../../../../etc/passwd".to_vec(),
        ];
        for byte in [b'+', b'/', b'=', b' ', b'"', b'\r', b'\n', 0, 0x7f, 0x80, 0xff] {
            refused.push(with(7, byte));
        }
        // 34 bytes leave four bits of the last character unused; only zeros are canonical.
        let last = [b'A', b'Q', b'g', b'w'];
        for byte in b'A'..=b'z' {
            if byte.is_ascii_alphanumeric() {
                let parsed = Token::parse(&with(45, byte));
                assert_eq!(parsed.is_some(), last.contains(&byte), "{}", byte as char);
            }
        }
        for text in refused {
            assert!(Token::parse(&text).is_none(), "{:?}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn a_hundred_thousand_tokens_are_distinct_and_every_bit_is_even() {
        const COUNT: u32 = 100_000;
        let mut ones = [0_u32; Token::SECRET_BYTES * 8];
        let mut seen = HashSet::new();
        for _ in 0..COUNT {
            let token = Token::random(&OsEntropy).unwrap();
            assert!(seen.insert(*token.secret()));
            for (bit, count) in ones.iter_mut().enumerate() {
                *count += u32::from(token.secret()[bit / 8] >> (bit % 8) & 1);
            }
        }
        // Seven standard deviations of a fair coin: sqrt(COUNT) / 2 = 158.
        for (bit, count) in ones.into_iter().enumerate() {
            assert!(count.abs_diff(COUNT / 2) < 7 * 158, "bit {bit} is set {count} times");
        }
    }
}

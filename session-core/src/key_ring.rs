//! Secrets, in the order in which they replace each other.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hkdf::Hkdf;
use sha2::Sha256;

use crate::error::Error;

/// The secrets that seal payloads and sign cookies: the first one seals and signs, all of them
/// open and verify.
///
/// To replace a secret without ending sessions, put the new one first and keep the old one
/// behind it until everything it sealed has expired. Removing a secret makes all it sealed
/// unreadable. (The order matters: with Flask CVE-2025-47278 the oldest one signed.)
///
/// The secrets themselves are never used as keys: each purpose has keys of its own, derived
/// with HKDF-SHA256 (RFC 5869), so a cookie's signature says nothing about a payload's seal.
///
/// ```
/// use session_core::KeyRing;
///
/// let old = vec![0x0b; 32]; // 32 bytes of `openssl rand`, say
/// let new = vec![0x5e; 32];
/// let ring = KeyRing::new([new, old])?;
/// assert_eq!(format!("{ring:?}"), "KeyRing(2 keys)");
/// # Ok::<(), session_core::Error>(())
/// ```
#[derive(Clone)]
pub struct KeyRing(Arc<[Box<[u8]>]>);

impl KeyRing {
    /// Least length of a secret: what the algorithms have strength for.
    pub const MIN_SECRET_BYTES: usize = 32;

    /// A ring of these secrets, the one in use first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](crate::ErrorKind::Misconfigured) if there is none, if one is
    /// shorter than [`Self::MIN_SECRET_BYTES`], or if two are the same. No error shows a secret.
    pub fn new(keys: impl IntoIterator<Item = Vec<u8>>) -> Result<Self, Error> {
        let keys: Arc<[Box<[u8]>]> = keys.into_iter().map(Vec::into_boxed_slice).collect();
        if keys.is_empty() {
            return Err(Error::misconfigured("keys", "none", "a key ring needs a key"));
        }
        for (index, key) in keys.iter().enumerate() {
            let ordinal = index + 1;
            if key.len() < Self::MIN_SECRET_BYTES {
                return Err(Error::misconfigured(
                    "keys",
                    format_args!("key {ordinal}, of {} bytes", key.len()),
                    format!("a key has {} random bytes or more", Self::MIN_SECRET_BYTES),
                ));
            }
            if let Some(earlier) = keys[..index].iter().position(|other| other == key) {
                return Err(Error::misconfigured(
                    "keys",
                    format_args!("keys {} and {ordinal}", earlier + 1),
                    "the same key is in the ring twice",
                ));
            }
        }
        Ok(Self(keys))
    }

    /// A ring of secrets written in base64 (RFC 4648), standard or URL-safe, padded or not, as
    /// `openssl rand -base64 32` prints them. White space around them is ignored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](crate::ErrorKind::Misconfigured) for anything that is not
    /// base64, and as for [`new`](Self::new).
    pub fn from_base64(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, Error> {
        let decode = |(index, text): (usize, _)| {
            decode_base64(AsRef::<str>::as_ref(&text).trim()).ok_or_else(|| {
                Error::misconfigured(
                    "keys",
                    format_args!("key {}", index + 1),
                    "a key is written in base64",
                )
            })
        };
        let keys: Vec<_> = texts.into_iter().enumerate().map(decode).collect::<Result<_, _>>()?;
        Self::new(keys)
    }

    /// A key of each secret, in order, for this purpose in this context and for no other.
    pub(crate) fn derive(
        &self,
        purpose: &str,
        context: &[&[u8]],
    ) -> impl Iterator<Item = [u8; Self::DERIVED_BYTES]> + use<'_> {
        let mut info = Vec::new();
        for part in [purpose.as_bytes()].iter().chain(context) {
            // The lengths keep ("a", "bc") apart from ("ab", "c").
            info.extend_from_slice(&(part.len() as u64).to_be_bytes());
            info.extend_from_slice(part);
        }
        self.0.iter().map(move |secret| {
            let mut key = [0; Self::DERIVED_BYTES];
            // HKDF yields up to 255 times 32 bytes.
            let expanded = Hkdf::<Sha256>::new(Some(SALT), secret).expand(&info, &mut key);
            debug_assert!(expanded.is_ok());
            key
        })
    }

    const DERIVED_BYTES: usize = 64;
}

/// Keeps our keys apart from what another program derives from the same secret.
const SALT: &[u8] = b"session-kit key ring";

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let alphabet = if text.contains(['-', '_']) { alphabet::URL_SAFE } else { alphabet::STANDARD };
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&alphabet, config).decode(text).ok()
}

/// The number only.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0.len() == 1 { "key" } else { "keys" };
        write!(f, "KeyRing({} {noun})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn refusal(keys: &[Vec<u8>]) -> String {
        let error = KeyRing::new(keys.to_vec()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        error.to_string()
    }

    #[test]
    fn short_missing_and_repeated_keys_are_refused_without_being_shown() {
        assert!(refusal(&[]).contains("needs a key"));
        let short = refusal(&[vec![b'k'; 32], vec![b's'; 31]]);
        assert!(short.contains("key 2, of 31 bytes") && !short.contains("ss"), "{short}");
        let same = refusal(&[vec![b'k'; 32], vec![b'j'; 32], vec![b'k'; 32]]);
        assert!(same.contains("keys 1 and 3") && !same.contains("kk"), "{same}");

        let ring = KeyRing::new([b"secret".repeat(6)]).unwrap();
        assert_eq!(format!("{ring:?}"), "KeyRing(1 key)");
    }

    #[test]
    fn base64_is_read_in_either_alphabet() {
        let bytes = vec![0xFB; 32];
        let standard = format!("{}s=", "+/v7".repeat(10) + "+/");
        let ring = KeyRing::new([bytes]).unwrap();
        let derived: Vec<_> = ring.derive("p", &[]).collect();
        let url_safe = standard.replace('+', "-").replace('/', "_");
        for text in [&standard, &url_safe, standard.trim_end_matches('='), &format!("{url_safe}\n")]
        {
            let ring = KeyRing::from_base64([text]).unwrap();
            assert!(ring.derive("p", &[]).eq(derived.iter().copied()), "{text}");
        }
        for text in ["", "secret!", "+/-_"] {
            let error = KeyRing::from_base64([text]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            assert!(text.is_empty() || !error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn every_secret_purpose_and_context_has_a_key_of_its_own() {
        let ring = KeyRing::new([vec![1; 32], vec![2; 32]]).unwrap();
        let contexts: [(&str, &[&[u8]]); 6] = [
            ("p", &[]),
            ("pa", &[]),
            ("p", &[b"a"]),
            ("p", &[b"ab", b"c"]),
            ("p", &[b"a", b"bc"]),
            ("p", &[b"abc"]),
        ];
        let mut keys: Vec<_> =
            contexts.iter().flat_map(|(purpose, context)| ring.derive(purpose, context)).collect();
        assert_eq!(keys.len(), 12);
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 12);
    }

    #[test]
    fn derived_keys_never_change() {
        // Payloads and cookies out there depend on them.
        let ring = KeyRing::new([vec![7; 32]]).unwrap();
        let key = ring.derive("payload seal v1", &[b"shop"]).next().unwrap();
        assert_eq!(key[..8], [109, 11, 69, 122, 207, 1, 208, 107]);
    }
}

//! Signed and encrypted cookie values.

use std::fmt;

#[cfg(feature = "secure-cookies")]
use cookie::Cookie;

use super::Protection;
#[cfg(feature = "secure-cookies")]
use crate::key_ring::KeyRing;
use crate::namespace::Namespace;

/// Wraps and unwraps values with keys derived for this purpose, cookie name and namespace, so a
/// value that is moved to another cookie or application does not open there.
pub(super) enum Cipher {
    Plain,
    #[cfg(feature = "secure-cookies")]
    Signed(Vec<cookie::Key>),
    #[cfg(feature = "secure-cookies")]
    Encrypted(Vec<cookie::Key>),
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            #[cfg(feature = "secure-cookies")]
            Self::Signed(_) => "Signed(..)",
            #[cfg(feature = "secure-cookies")]
            Self::Encrypted(_) => "Encrypted(..)",
        })
    }
}

#[cfg(not(feature = "secure-cookies"))]
impl Cipher {
    pub(super) fn new(Protection::Plain: &Protection, _: &str, _: &Namespace) -> Self {
        Self::Plain
    }

    pub(super) fn wrap(&self, _name: &str, text: String) -> String {
        let Self::Plain = self;
        text
    }
}

#[cfg(feature = "secure-cookies")]
impl Cipher {
    pub(super) fn new(protection: &Protection, name: &str, namespace: &Namespace) -> Self {
        let derive = |keys: &KeyRing, purpose: &str| {
            keys.derive(purpose, &[name.as_bytes(), namespace.as_str().as_bytes()])
                .map(|key| cookie::Key::from(&key))
                .collect()
        };
        match protection {
            Protection::Plain => Self::Plain,
            Protection::Signed(keys) => Self::Signed(derive(keys, "cookie signature v1")),
            Protection::Encrypted(keys) => Self::Encrypted(derive(keys, "cookie encryption v1")),
        }
    }

    pub(super) fn wrap(&self, name: &str, text: String) -> String {
        let mut jar = cookie::CookieJar::new();
        let cookie = Cookie::new(name.to_owned(), text);
        // A ring has one key at least; the first one signs.
        match self {
            Self::Plain => return cookie.value().to_owned(),
            Self::Signed(keys) => jar.signed_mut(&keys[0]).add(cookie),
            Self::Encrypted(keys) => jar.private_mut(&keys[0]).add(cookie),
        }
        jar.get(name).map(|cookie| cookie.value().to_owned()).unwrap_or_default()
    }

    pub(super) fn unwrap(&self, name: &str, value: &str) -> Option<String> {
        let jar = cookie::CookieJar::new();
        let cookie = Cookie::new(name.to_owned(), value.to_owned());
        let opened = match self {
            Self::Plain => Some(cookie),
            Self::Signed(keys) => {
                keys.iter().find_map(|key| jar.signed(key).verify(cookie.clone()))
            }
            Self::Encrypted(keys) => {
                keys.iter().find_map(|key| jar.private(key).decrypt(cookie.clone()))
            }
        };
        opened.map(|cookie| cookie.value().to_owned())
    }
}

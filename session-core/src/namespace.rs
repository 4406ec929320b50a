//! The name that keeps applications apart.

use std::fmt;
use std::sync::Arc;

use crate::error::Error;

/// Which application, and which of its kinds of session, a key belongs to.
///
/// The namespace is hashed into every [`Key`](crate::Key) and bound into every sealed payload
/// and cookie, so two applications with names of their own can neither read nor mix up
/// each other's sessions, whatever they share (compare Airflow CVE-2020-17526).
///
/// ```
/// use session_core::Namespace;
///
/// assert!(Namespace::parse("shop.eu-1").is_ok());
/// assert!(Namespace::parse("shop:eu").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// Longest name, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Reads a name of 1 to 64 ASCII letters, digits, `_`, `-` and `.`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](crate::ErrorKind::Misconfigured) for anything else.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if name.is_empty() || name.len() > Self::MAX_LEN || !name.bytes().all(legal) {
            return Err(Error::misconfigured(
                "namespace",
                format_args!("{name:?}"),
                "a namespace is 1 to 64 ASCII letters, digits, `_`, `-` or `.`",
            ));
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_fit_in_any_store_are_namespaces() {
        for name in ["a", "__Host-session", "shop.eu-1", &"x".repeat(64)] {
            assert_eq!(Namespace::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "a b", "a:b", "{a}", "a/b", "é", "a\n", &"x".repeat(65)] {
            assert!(Namespace::parse(name).is_err(), "{name:?}");
        }
    }
}

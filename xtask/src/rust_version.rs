//! A `rust-version` as manifests write it.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// Compares by number, so that 1.9 is older than 1.88, and 1.88 is 1.88.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct RustVersion {
    major: u32,
    minor: u32,
    patch: u32,
}

impl FromStr for RustVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[major]) => Ok(Self { major, minor: 0, patch: 0 }),
            Ok(&[major, minor]) => Ok(Self { major, minor, patch: 0 }),
            Ok(&[major, minor, patch]) => Ok(Self { major, minor, patch }),
            _ => Err(format!("`{text}` is not a Rust version; write it as 1.88 or 1.88.0")),
        }
    }
}

impl TryFrom<String> for RustVersion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for RustVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::RustVersion;

    fn version(text: &str) -> RustVersion {
        text.parse().expect("a version")
    }

    #[test]
    fn compares_by_number_and_not_by_letter() {
        assert!(version("1.9") < version("1.88"));
        assert!(version("1.88.1") > version("1.88"));
        assert!(version("2") > version("1.99.9"));
    }

    #[test]
    fn missing_parts_are_zero() {
        assert_eq!(version("1.88"), version("1.88.0"));
        assert_eq!(version("1"), version("1.0.0"));
    }

    #[test]
    fn refuses_what_is_not_a_version() {
        for text in ["", "stable", "1.", "1.88.0.1", "1.88-nightly", ">=1.88"] {
            assert!(text.parse::<RustVersion>().is_err(), "{text}");
        }
    }
}

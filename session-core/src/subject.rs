//! Whose session it is, and on what device.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};

/// The user, or other party, that a session is signed in as: your own identifier for them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Arc<str>);

impl Subject {
    /// Longest identifier, in bytes.
    pub const MAX_LEN: usize = 255;

    /// Takes an identifier of 1 to 255 bytes without control characters.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`] for anything else.
    pub fn new(id: impl AsRef<str>) -> Result<Self, Error> {
        let id = id.as_ref();
        if id.is_empty() || id.len() > Self::MAX_LEN || id.contains(char::is_control) {
            let reason = "a subject is 1 to 255 bytes without control characters";
            return Err(Error::new(ErrorKind::Value, reason).with("length", id.len()));
        }
        Ok(Self(id.into()))
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Redacted: who somebody is does not belong in a log by accident.
impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(..)")
    }
}

/// What a person recognises a session by in a list of their devices. It authenticates nothing.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Device {
    user_agent: Option<Box<str>>,
    address: Option<Box<str>>,
}

impl Device {
    /// Longest part, in bytes; the rest is cut off.
    pub const MAX_LEN: usize = 255;

    /// A device of which nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the client calls itself. Control characters are dropped, length is bounded.
    #[must_use]
    pub fn with_user_agent(mut self, user_agent: &str) -> Self {
        self.user_agent = presentable(user_agent);
        self
    }

    /// Where the client connected from. Control characters are dropped, length is bounded.
    #[must_use]
    pub fn with_address(mut self, address: &str) -> Self {
        self.address = presentable(address);
        self
    }

    /// What the client calls itself.
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    /// Where the client connected from.
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }
}

/// Redacted, as the subject is.
impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Device(..)")
    }
}

fn presentable(text: &str) -> Option<Box<str>> {
    let mut kept = String::new();
    for char in text.chars().filter(|char| !char.is_control()) {
        if kept.len() + char.len_utf8() > Device::MAX_LEN {
            break;
        }
        kept.push(char);
    }
    (!kept.is_empty()).then(|| kept.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_bounded_and_silent_in_debug() {
        assert_eq!(Subject::new("u1001").unwrap().as_str(), "u1001");
        for id in ["", "a\0b", "a\nb", &"x".repeat(256)] {
            assert_eq!(Subject::new(id).unwrap_err().kind(), ErrorKind::Value);
        }
        assert!(!format!("{:?}", Subject::new("u1001").unwrap()).contains("u1001"));
    }

    #[test]
    fn a_device_takes_whatever_a_client_sends() {
        let device =
            Device::new().with_user_agent(&format!("curl\r\n{}", "é".repeat(500))).with_address("");
        let user_agent = device.user_agent().unwrap();
        assert!(user_agent.starts_with("curlé") && user_agent.len() <= Device::MAX_LEN);
        assert_eq!(device.address(), None);
    }
}

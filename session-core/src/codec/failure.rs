//! How codecs fail: by kind and reason, never by quoting a value.

use std::fmt;

use super::CodecId;
use crate::error::{Error, ErrorKind};

/// A stored value that is not what was asked for.
pub(super) fn unfit(codec: CodecId, error: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Value, "a stored value does not fit the type asked for")
        .with("codec", codec)
        .with("reason", reason(&error.to_string()))
}

/// A value followed by more bytes.
pub(super) fn trailing(codec: CodecId) -> Error {
    Error::new(ErrorKind::Value, "a stored value is followed by more bytes").with("codec", codec)
}

/// A value that the format cannot express. What serde says about it may quote the value.
pub(super) fn inexpressible(codec: CodecId, hint: &'static str) -> Error {
    Error::new(ErrorKind::Value, "a value cannot be encoded")
        .with("codec", codec)
        .with("hint", hint)
}

/// A value that could be written but never be read again.
pub(super) fn too_deep(codec: CodecId) -> Error {
    Error::new(ErrorKind::Value, "a value is nested too deeply to be encoded")
        .with("codec", codec)
        .with("limit", super::MAX_DEPTH)
}

/// Stored bytes that cannot have been written so.
pub(super) fn corrupt(message: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

/// Stored bytes that need a part of this crate that was not built in.
pub(super) fn missing_feature(message: &'static str, feature: &'static str) -> Error {
    corrupt(message).with("needs the feature", feature)
}

/// What of serde's message may be repeated: names and expectations are the program's own,
/// whereas `invalid type: string "..."` and custom messages can hold the value itself.
pub(super) fn reason(message: &str) -> &str {
    let names_a_field =
        message.starts_with("missing field `") || message.starts_with("duplicate field `");
    if names_a_field || message.starts_with("recursion limit exceeded") {
        return message;
    }
    match message.rfind(", expected ") {
        Some(at) => &message[at + 2..],
        None => "malformed, or refused by the type",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_keep_names_and_expectations_but_no_value() {
        let of = |text: &str| {
            let error = serde_json::from_str::<std::net::IpAddr>(text).unwrap_err();
            reason(&error.to_string()).to_owned()
        };
        assert!(of("[]").starts_with("expected IP address at line 1"));
        assert_eq!(of("\"hunter2\""), "malformed, or refused by the type");

        let error = serde_json::from_str::<u8>("\"hunter2, expected hunter3\"").unwrap_err();
        assert_eq!(reason(&error.to_string()), "expected u8 at line 1 column 27");

        #[derive(Debug, serde::Deserialize)]
        struct Cart {
            #[expect(dead_code, reason = "only its name counts")]
            items: u8,
        }
        let error = serde_json::from_str::<Cart>("{}").unwrap_err();
        assert_eq!(reason(&error.to_string()), "missing field `items` at line 1 column 2");
    }
}

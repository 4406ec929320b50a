//! Why a setting was not read.

use std::fmt;

use serde::de::{Expected, Unexpected};
use session_core::{Error, ErrorKind};

use super::secrets::{is_secret, looks_secret};
use super::suggest::Suggestion;

/// What is wrong with a setting, on its way up through the sections it is in.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The innermost name first.
    path: Vec<String>,
    reason: Reason,
    value: Option<String>,
}

#[derive(Debug)]
enum Reason {
    /// The name is, and there is no value to speak of: a setting nobody knows may be a misspelt
    /// secret.
    Name(String),
    /// It is no such thing as is wanted.
    Type(String),
    /// Somebody's own words, which may quote the value.
    Words(String),
}

impl Refusal {
    fn new(reason: Reason) -> Self {
        Self { path: Vec::new(), reason, value: None }
    }

    pub(super) fn wrong_type(is: &str, wanted: &str) -> Self {
        let wanted = plainly(wanted);
        Self::new(Reason::Type(format!("this is {is}, and should be {wanted}")))
    }

    /// Says what the value is, unless that of something within it is said already.
    pub(super) fn of(mut self, value: Option<String>) -> Self {
        if self.path.is_empty() {
            self.value = value;
        }
        self
    }

    /// Says where it is: a name, or `[0]`.
    pub(super) fn within(mut self, name: String) -> Self {
        self.path.push(name);
        self
    }

    pub(super) fn into_error(self, section: &str) -> Error {
        let Self { path, reason, value } = self;
        let mut field = section.to_owned();
        for name in path.iter().rev() {
            if !name.starts_with('[') {
                field.push('.');
            }
            field.push_str(name);
        }
        let is_secret = is_secret(&field) || value.as_deref().is_some_and(looks_secret);
        let (reason, value) = match reason {
            Reason::Name(reason) => (reason, None),
            Reason::Type(reason) if is_secret => (reason, None),
            Reason::Words(_) if is_secret => (HIDDEN.to_owned(), None),
            Reason::Type(reason) | Reason::Words(reason) => (reason, value),
        };
        let error = Error::new(ErrorKind::Misconfigured, reason).with("field", field);
        match value {
            Some(value) => error.with("value", value),
            None => error,
        }
    }
}

const HIDDEN: &str = "this value is not valid; it is not shown, since it may be a secret";

impl serde::de::Error for Refusal {
    fn custom<T: fmt::Display>(words: T) -> Self {
        Self::new(Reason::Words(words.to_string()))
    }

    fn invalid_type(is: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::wrong_type(name_of(is), &wanted.to_string())
    }

    fn invalid_value(_: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let wanted = wanted.to_string();
        Self::new(Reason::Type(format!("should be {}", plainly(&wanted))))
    }

    fn invalid_length(length: usize, wanted: &dyn Expected) -> Self {
        Self::new(Reason::Type(format!("should be {wanted}, and there are {length}")))
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let suggestion = Suggestion::new(variant, known.iter().copied());
        Self::new(Reason::Type(format!("there is no such value; {suggestion}")))
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        let suggestion = Suggestion::new(field, known.iter().copied());
        Self::new(Reason::Name(format!("unknown field `{field}`; {suggestion}")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Reason::Name(format!("missing field `{field}`")))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Reason::Name(reason) | Reason::Type(reason) | Reason::Words(reason)) = &self.reason;
        f.write_str(reason)
    }
}

impl std::error::Error for Refusal {}

/// What something is, in the words of a configuration and without the value.
pub(super) fn name_of(is: Unexpected<'_>) -> &'static str {
    match is {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a section",
        _ => "something else",
    }
}

/// What is wanted, in words for those who do not write Rust.
fn plainly(wanted: &str) -> &str {
    match wanted {
        "i8" => "a whole number from -128 to 127",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, zero or more",
        "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        wanted if wanted.starts_with("struct ") || wanted.starts_with("a map") => "a section",
        wanted => wanted,
    }
}

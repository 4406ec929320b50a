//! Durations and sizes as they are written in a file.

use std::fmt;
use std::time::Duration;

use humantime::DurationError;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

/// A duration as a setting: `"250ms"`, `"30m"`, `"12h"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

/// A number of bytes as a setting: `"64MiB"`, `"1KB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub usize);

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PeriodVisitor;

        impl Visitor<'_> for PeriodVisitor {
            type Value = Period;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration as a string, like \"30m\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Period, E> {
                humantime::parse_duration(text).map(Period).map_err(|error| match error {
                    DurationError::UnknownUnit { .. } | DurationError::NumberOverflow => {
                        E::custom(format_args!("{error}; a duration is written like \"30m\""))
                    }
                    _ => E::custom("this is no duration; a duration is written like \"30m\""),
                })
            }
        }

        deserializer.deserialize_str(PeriodVisitor)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;

        impl Visitor<'_> for SizeVisitor {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size as a string, like \"64MiB\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Size, E> {
                let size: bytesize::ByteSize = text
                    .parse()
                    .map_err(|_| E::custom("this is no size; a size is written like \"64MiB\""))?;
                let bytes = usize::try_from(size.as_u64());
                bytes.map(Size).map_err(|_| E::custom("no machine has that many bytes"))
            }
        }

        deserializer.deserialize_str(SizeVisitor)
    }
}

#[cfg(feature = "config-schema")]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{Period, Size};

    impl JsonSchema for Period {
        fn schema_name() -> Cow<'static, str> {
            "Period".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": "string", "examples": ["250ms", "30m", "12h"] })
        }
    }

    impl JsonSchema for Size {
        fn schema_name() -> Cow<'static, str> {
            "Size".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": "string", "examples": ["64KiB", "64MiB", "1GiB"] })
        }
    }
}

//! JSON (RFC 8259).

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::failure::{corrupt, inexpressible, reason, too_deep, trailing, unfit};
use super::{Codec, CodecId, MAX_DEPTH, ReadValue};
use crate::error::Error;
use crate::fields::Fields;

/// Values are JSON texts and a payload is one JSON object, which any language reads.
///
/// What JSON cannot express is refused when it is inserted, such as maps whose keys are neither
/// strings nor numbers nor booleans; only NaN and the infinities become `null`.
///
/// # Performance impact
///
/// Unpacking a payload finds where its values begin and end. It copies nothing, unless a name
/// holds a character that JSON escapes: `"`, `\` or a control character.
///
/// ```
/// use session_core::codec::Json;
/// use session_core::{Codec as _, Fields};
///
/// let fields: Fields = [("cart", b"[1,2]".as_slice()), ("theme", b"\"dark\"")].into_iter().collect();
/// let packed = Json.pack(&fields)?;
/// assert_eq!(packed, br#"{"cart":[1,2],"theme":"dark"}"#);
/// assert_eq!(Json.unpack(packed.into())?.get("cart"), Some(b"[1,2]".as_slice()));
/// # Ok::<(), session_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Codec for Json {
    fn id(&self) -> CodecId {
        CodecId::JSON
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, Error> {
        let text = serde_json::to_vec(value).map_err(|_| {
            inexpressible(self.id(), "map keys must be strings, numbers or booleans")
        })?;
        if is_too_deep(&text) { Err(too_deep(self.id())) } else { Ok(text) }
    }

    fn decode(&self, bytes: &[u8], read: ReadValue<'_>) -> Result<(), Error> {
        // serde_json follows 127 levels of nesting and refuses the next: `MAX_DEPTH`.
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut deserializer))
            .map_err(|error| unfit(self.id(), error))?;
        deserializer.end().map_err(|_| trailing(self.id()))
    }

    fn pack(&self, fields: &Fields) -> Result<Vec<u8>, Error> {
        let size =
            fields.iter_bytes().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>();
        let mut packed = Vec::with_capacity(size + 2);
        packed.push(b'{');
        for (index, (name, value)) in fields.iter().enumerate() {
            if index > 0 {
                packed.push(b',');
            }
            serde_json::to_writer(&mut packed, name)
                .map_err(|_| inexpressible(self.id(), "the name of a field"))?;
            packed.push(b':');
            packed.extend_from_slice(value);
        }
        packed.push(b'}');
        Ok(packed)
    }

    fn unpack(&self, packed: Bytes) -> Result<Fields, Error> {
        // Checked as a whole, which is quicker than value by value.
        let text = std::str::from_utf8(&packed).map_err(|_| corrupt("a payload is not UTF-8"))?;
        let Object(entries) = serde_json::from_str(text).map_err(|error| {
            corrupt("a payload is no JSON object").with("reason", reason(&error.to_string()))
        })?;
        let fields = if entries.iter().any(|(name, _)| name.get().contains('\\')) {
            unpack_unescaping(&entries)?
        } else {
            let range = |raw: &RawValue| range_within(&packed, raw.get());
            let ranges = entries.iter().map(|(name, value)| {
                let quoted = range(name);
                (quoted.start + 1..quoted.end - 1, range(value))
            });
            Fields::view(packed.clone(), ranges)
        };
        fields.ok_or_else(|| corrupt("a payload has two fields of one name"))
    }
}

/// Names and values as they are written, the names with their quotes.
struct Object<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// Where `part`, a slice of `whole`, lies in it.
fn range_within(whole: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

/// Writes names without their escapes, and values, one after the other into memory of its own.
fn unpack_unescaping(entries: &[(&RawValue, &RawValue)]) -> Result<Option<Fields>, Error> {
    let mut bytes = Vec::new();
    let mut put = |part: &str| {
        let start = bytes.len();
        bytes.extend_from_slice(part.as_bytes());
        start..bytes.len()
    };
    let mut ranges = Vec::with_capacity(entries.len());
    for (name, value) in entries {
        let name: String = serde_json::from_str(name.get())
            .map_err(|_| corrupt("a field of a payload has a name that is not Unicode"))?;
        ranges.push((put(&name), put(value.get())));
    }
    Ok(Fields::view(bytes.into(), ranges))
}

/// Whether a JSON text is nested deeper than `MAX_DEPTH`. A level takes two characters.
fn is_too_deep(text: &[u8]) -> bool {
    if text.len() < 2 * (MAX_DEPTH + 1) {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::codec::tests::{assert_round_trips, nested};
    use crate::codec::{decode, encode};
    use crate::error::ErrorKind;

    #[test]
    fn values_round_trip() {
        assert_round_trips(&Json);
    }

    #[test]
    fn a_payload_is_plain_json_and_is_viewed_without_copying() {
        let fields: Fields = [("é", b"[ 1 ]".as_slice()), ("", b"null")].into_iter().collect();
        let packed = Bytes::from(Json.pack(&fields).unwrap());
        assert_eq!(packed, r#"{"é":[ 1 ],"":null}"#);
        let view = Json.unpack(packed.clone()).unwrap();
        assert_eq!(view.get("é").unwrap().as_ptr(), packed[6..].as_ptr());
        assert_eq!(view.get(""), Some(b"null".as_slice()));
    }

    #[test]
    fn payloads_of_other_writers_are_read() {
        let packed =
            Bytes::from_static(b"{ \"a\\u0022\\n\" : {\"x\": [1, 2]} ,\r\n\t\"b\":\"\\u00e9\"}\n");
        let fields = Json.unpack(packed).unwrap();
        assert_eq!(fields.get("a\"\n"), Some(b"{\"x\": [1, 2]}".as_slice()));
        assert_eq!(decode::<String>(&Json, fields.get("b").unwrap()).unwrap(), "é");
    }

    #[test]
    fn what_is_no_object_of_distinct_names_is_corrupt() {
        let cases: [&[u8]; 12] = [
            b"",
            b"null",
            b"[]",
            b"\"text\"",
            b"{",
            b"{\"a\":}",
            b"{\"a\":1}{",
            b"{\"a\":1,}",
            b"{\"a\":1,\"a\":2}",
            b"{\"a\":1,\"\\u0061\":2}",
            b"{\"\\ud800\":1}",
            b"{\"a\":\"\xff\"}",
        ];
        for packed in cases {
            let error = Json.unpack(Bytes::from_static(packed)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", packed.escape_ascii());
        }
    }

    #[test]
    fn what_is_encoded_can_be_decoded_and_deeper_values_are_refused() {
        let deepest = nested(MAX_DEPTH);
        let text = encode(&Json, &deepest).unwrap();
        assert_eq!(decode::<Value>(&Json, &text).unwrap(), deepest);

        let error = encode(&Json, &nested(MAX_DEPTH + 1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Value);
        let brackets = "[{\\\"".repeat(1_000);
        assert!(encode(&Json, &brackets).is_ok(), "brackets in a string are no nesting");
    }

    #[test]
    fn hundred_thousand_levels_overflow_no_stack() {
        let levels = 100_000;
        let text = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let fields = Json.unpack(format!("{{\"a\":{text},\"b\":1}}").into()).unwrap();
        assert_eq!(decode::<u8>(&Json, fields.get("b").unwrap()).unwrap(), 1);
        let error = decode::<Value>(&Json, fields.get("a").unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Value);
        assert!(error.context("reason").unwrap().starts_with("recursion limit"));
    }

    #[test]
    fn a_value_is_one_text_of_the_right_type() {
        for text in ["", "1 2", "\"a\"", "256", "-1", "nul"] {
            let error = decode::<u8>(&Json, text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Value, "{text}");
        }
        let keyed = std::collections::BTreeMap::from([((1, 2), 3)]);
        assert_eq!(encode(&Json, &keyed).unwrap_err().kind(), ErrorKind::Value);
    }
}

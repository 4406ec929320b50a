//! CBOR (RFC 8949).

use bytes::Bytes;
use ciborium::Value;
use serde::de::value::{
    Error as ValueError, MapAccessDeserializer, MapDeserializer, SeqDeserializer,
};
use serde::de::{Deserializer, Error as _, IgnoredAny, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::failure::{inexpressible, too_deep, trailing, unfit};
use super::readable::Readable;
use super::{Codec, CodecId, MAX_DEPTH, ReadValue, frame};
use crate::error::Error;
use crate::fields::Fields;

/// Values are CBOR (RFC 8949), in a [`frame`]: the binary format with an internet standard.
///
/// Structs are written by name, so a field may be added. Types that have a textual and a
/// compact form, such as UUIDs and IP addresses, take the textual one as in JSON: only so can
/// payloads survive a change of codec.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cbor;

impl Codec for Cbor {
    fn id(&self) -> CodecId {
        CodecId::CBOR
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        ciborium::into_writer(&Readable(value), &mut bytes)
            .map_err(|_| inexpressible(self.id(), "the value's Serialize implementation failed"))?;
        if is_too_deep(&bytes) { Err(too_deep(self.id())) } else { Ok(bytes) }
    }

    fn decode(&self, bytes: &[u8], read: ReadValue<'_>) -> Result<(), Error> {
        let mut rest = bytes;
        // ciborium keeps its deserializer to itself, so a value is read as a tree first.
        let tree: Value = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH)
            .map_err(|error| match error {
                ciborium::de::Error::RecursionLimitExceeded => {
                    unfit(self.id(), "recursion limit exceeded")
                }
                _ => unfit(self.id(), "malformed"),
            })?;
        if !rest.is_empty() {
            return Err(trailing(self.id()));
        }
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(Item(tree)))
            .map_err(|error| unfit(self.id(), error))
    }

    fn pack(&self, fields: &Fields) -> Result<Vec<u8>, Error> {
        Ok(frame::pack(fields))
    }

    fn unpack(&self, packed: Bytes) -> Result<Fields, Error> {
        frame::unpack(packed)
    }
}

/// Whether a value is nested deeper than `MAX_DEPTH`. A level takes a byte.
fn is_too_deep(bytes: &[u8]) -> bool {
    bytes.len() > MAX_DEPTH
        && ciborium::de::from_reader_with_recursion_limit::<IgnoredAny, _>(bytes, MAX_DEPTH)
            .is_err()
}

/// A data item to be read as whatever the application asks for.
///
/// CBOR describes itself, so what is asked for hardly matters; tags are looked through.
struct Item(Value);

impl<'de> Deserializer<'de> for Item {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Float(value) => visitor.visit_f64(value),
            Value::Text(text) => visitor.visit_string(text),
            Value::Bytes(bytes) => visitor.visit_byte_buf(bytes),
            Value::Array(items) => {
                SeqDeserializer::new(items.into_iter().map(Item)).deserialize_any(visitor)
            }
            Value::Map(entries) => map(entries).deserialize_any(visitor),
            Value::Tag(tag, item) if !is_bignum(tag) => Item(*item).deserialize_any(visitor),
            integer => visit_integer(&integer, visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Text(variant) => visitor.visit_enum(variant.into_deserializer()),
            Value::Map(entries) if entries.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(map(entries)))
            }
            _ => Err(ValueError::custom("not a variant, expected text or a map of one entry")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl IntoDeserializer<'_, ValueError> for Item {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

type Entries = std::vec::IntoIter<(Value, Value)>;
type IntoItems = fn((Value, Value)) -> (Item, Item);

fn map<'de>(
    entries: Vec<(Value, Value)>,
) -> MapDeserializer<'de, std::iter::Map<Entries, IntoItems>, ValueError> {
    let into_items: IntoItems = |(key, value)| (Item(key), Item(value));
    MapDeserializer::new(entries.into_iter().map(into_items))
}

/// Whether the tag marks an integer beyond 64 bits (RFC 8949, section 3.4.3).
fn is_bignum(tag: u64) -> bool {
    tag == 2 || tag == 3
}

fn visit_integer<'de, V: Visitor<'de>>(item: &Value, visitor: V) -> Result<V::Value, ValueError> {
    if let Ok(value) = item.deserialized::<u64>() {
        visitor.visit_u64(value)
    } else if let Ok(value) = item.deserialized::<i64>() {
        visitor.visit_i64(value)
    } else if let Ok(value) = item.deserialized::<u128>() {
        visitor.visit_u128(value)
    } else if let Ok(value) = item.deserialized::<i128>() {
        visitor.visit_i128(value)
    } else {
        Err(ValueError::custom("another item, expected an integer of at most 128 bits"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;
    use crate::codec::tests::{Chain, assert_round_trips, nested};
    use crate::codec::{decode, encode};
    use crate::error::ErrorKind;

    #[test]
    fn values_round_trip() {
        assert_round_trips(&Cbor);
        for value in [i128::MIN, i128::MAX, i128::from(u64::MAX) + 1] {
            let bytes = encode(&Cbor, &value).unwrap();
            assert_eq!(decode::<i128>(&Cbor, &bytes).unwrap(), value);
        }
    }

    #[test]
    fn what_is_encoded_can_be_decoded_and_deeper_values_are_refused() {
        let deepest = nested(MAX_DEPTH);
        let bytes = encode(&Cbor, &deepest).unwrap();
        assert_eq!(decode::<Json>(&Cbor, &bytes).unwrap(), deepest);
        let error = encode(&Cbor, &nested(MAX_DEPTH + 1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Value);
    }

    #[test]
    fn hundred_thousand_levels_overflow_no_stack() {
        let arrays = vec![0x81; 100_000];
        let endless = vec![0x9F; 100_000];
        let tags = vec![0xC6; 100_000];
        let maps = b"\xa1\x64Next".repeat(100_000);
        for bytes in [arrays, endless, tags, maps] {
            assert_eq!(decode::<Json>(&Cbor, &bytes).unwrap_err().kind(), ErrorKind::Value);
            assert!(decode::<Chain>(&Cbor, &bytes).is_err());
        }
    }

    #[test]
    fn a_value_is_whole_and_alone() {
        let bytes = encode(&Cbor, &"text").unwrap();
        for end in 0..bytes.len() {
            assert!(decode::<String>(&Cbor, &bytes[..end]).is_err(), "cut at {end}");
        }
        assert!(decode::<String>(&Cbor, &[bytes, vec![0xF6]].concat()).is_err());
        // 2^32 - 1 elements, bytes, characters, entries: claimed, not there.
        for major in [0x9A, 0x5A, 0x7A, 0xBA] {
            assert!(decode::<Json>(&Cbor, &[major, 0xFF, 0xFF, 0xFF, 0xFF]).is_err());
        }
    }

    #[test]
    fn items_of_other_writers_are_read() {
        // A tagged time (tag 1), an array and a text of indefinite length.
        assert_eq!(decode::<u64>(&Cbor, b"\xc1\x1a\x51\x4b\x67\xb0").unwrap(), 1_363_896_240);
        assert_eq!(decode::<Vec<u8>>(&Cbor, b"\x9f\x01\x02\xff").unwrap(), [1, 2]);
        assert_eq!(decode::<String>(&Cbor, b"\x7f\x61a\x61b\xff").unwrap(), "ab");
    }
}

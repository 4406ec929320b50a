//! MessagePack.

use bytes::Bytes;
use rmp_serde::config::{DefaultConfig, HumanReadableConfig};
use rmp_serde::decode::ReadReader;
use serde::de::{Deserialize as _, IgnoredAny};

use super::failure::{inexpressible, too_deep, trailing, unfit};
use super::{Codec, CodecId, MAX_DEPTH, ReadValue, frame};
use crate::error::Error;
use crate::fields::Fields;

/// Values are [MessagePack](https://msgpack.org), in a [`frame`]: smaller than JSON and quicker
/// to read, byte strings in particular.
///
/// Structs are written by name, so a field may be added. Types that have a textual and a
/// compact form, such as UUIDs and IP addresses, take the textual one as in JSON: only so can
/// payloads survive a change of codec.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessagePack;

impl Codec for MessagePack {
    fn id(&self) -> CodecId {
        CodecId::MSGPACK
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let mut serializer =
            rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable();
        erased_serde::serialize(value, &mut serializer)
            .map_err(|_| inexpressible(self.id(), "the value's Serialize implementation failed"))?;
        if is_too_deep(&bytes) { Err(too_deep(self.id())) } else { Ok(bytes) }
    }

    fn decode(&self, bytes: &[u8], read: ReadValue<'_>) -> Result<(), Error> {
        // rmp-serde does not count how deeply the variants of a recursive enum are nested.
        if is_too_deep(bytes) {
            return Err(unfit(self.id(), "recursion limit exceeded, or malformed"));
        }
        let mut deserializer = deserializer(bytes);
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut deserializer))
            .map_err(|error| unfit(self.id(), error))?;
        if deserializer.get_ref().is_empty() { Ok(()) } else { Err(trailing(self.id())) }
    }

    fn pack(&self, fields: &Fields) -> Result<Vec<u8>, Error> {
        Ok(frame::pack(fields))
    }

    fn unpack(&self, packed: Bytes) -> Result<Fields, Error> {
        frame::unpack(packed)
    }
}

type Deserializer<'a> =
    rmp_serde::Deserializer<ReadReader<&'a [u8]>, HumanReadableConfig<DefaultConfig>>;

fn deserializer(bytes: &[u8]) -> Deserializer<'_> {
    let mut deserializer = rmp_serde::Deserializer::new(bytes).with_human_readable();
    // It refuses the level at which its count is used up.
    deserializer.set_max_depth(MAX_DEPTH + 1);
    deserializer
}

/// Whether a value is nested deeper than `MAX_DEPTH`, or malformed. A level takes a byte.
fn is_too_deep(bytes: &[u8]) -> bool {
    bytes.len() > MAX_DEPTH && IgnoredAny::deserialize(&mut deserializer(bytes)).is_err()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::codec::tests::{Chain, assert_round_trips, nested};
    use crate::codec::{decode, encode};
    use crate::error::ErrorKind;

    #[test]
    fn values_round_trip() {
        assert_round_trips(&MessagePack);
    }

    #[test]
    fn what_is_encoded_can_be_decoded_and_deeper_values_are_refused() {
        let deepest = nested(MAX_DEPTH);
        let bytes = encode(&MessagePack, &deepest).unwrap();
        assert_eq!(decode::<Value>(&MessagePack, &bytes).unwrap(), deepest);
        let error = encode(&MessagePack, &nested(MAX_DEPTH + 1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Value);
    }

    #[test]
    fn hundred_thousand_levels_overflow_no_stack() {
        let arrays = vec![0x91; 100_000];
        let maps = b"\x81\xa4Next".repeat(100_000);
        for bytes in [arrays, maps] {
            let error = decode::<Value>(&MessagePack, &bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Value);
            assert!(decode::<Chain>(&MessagePack, &bytes).is_err());
        }
    }

    #[test]
    fn a_value_is_whole_and_alone() {
        let bytes = encode(&MessagePack, &"text").unwrap();
        for end in 0..bytes.len() {
            assert!(decode::<String>(&MessagePack, &bytes[..end]).is_err(), "cut at {end}");
        }
        assert!(decode::<String>(&MessagePack, &[bytes, vec![0xC0]].concat()).is_err());
        // 2^32 - 1 elements, bytes, characters: claimed, not there.
        for claim in [b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff"] {
            assert!(decode::<Value>(&MessagePack, claim).is_err());
            assert!(decode::<Vec<u64>>(&MessagePack, claim).is_err());
        }
    }
}

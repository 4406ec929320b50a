//! Values to try codecs with.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::*;
use crate::error::ErrorKind;

/// What serde has a method of its own for, and what formats are known to stumble over.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct Everything {
    text: String,
    letter: char,
    flag: bool,
    highest: u64,
    lowest: i64,
    float: f64,
    small: f32,
    none: Option<u8>,
    some: Option<Box<Everything>>,
    unit: (),
    tuple: (u8, i16, String),
    variants: Vec<Variant>,
    map: BTreeMap<String, Vec<u8>>,
    blob: Blob,
    address: IpAddr,
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
enum Variant {
    Unit,
    Newtype(Wrapper),
    Tuple(u8, i8),
    Struct { a: Option<u8>, b: Vec<Variant> },
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
struct Wrapper(u32);

/// Nests without arrays.
#[cfg(any(feature = "msgpack", feature = "cbor"))]
#[derive(Debug, Deserialize)]
pub(super) enum Chain {
    #[expect(dead_code, reason = "only decoded")]
    Next(Box<Chain>),
    End,
}

/// Bytes that say they are bytes.
#[derive(Clone, Debug, PartialEq)]
struct Blob(Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.to_vec()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Blob, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(Blob(bytes))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

pub(super) fn everything() -> Everything {
    let inner = Everything {
        text: "\"\\/\u{0}\u{1f}\u{7f}\u{2028}é漢🦀\u{10ffff}".into(),
        letter: '🦀',
        flag: true,
        highest: u64::MAX,
        lowest: i64::MIN,
        // Whose last bit is lost by whoever reads numbers in a hurry.
        float: 0.945_270_695_553_922_3,
        small: 0.1,
        none: None,
        some: None,
        unit: (),
        tuple: (0, -1, String::new()),
        variants: vec![
            Variant::Unit,
            Variant::Newtype(Wrapper(7)),
            Variant::Tuple(255, -128),
            Variant::Struct { a: None, b: vec![Variant::Unit] },
        ],
        map: [(String::new(), vec![0, 255]), ("\n".into(), Vec::new())].into(),
        blob: Blob(vec![0; 300]),
        address: IpAddr::from([127, 0, 0, 1]),
        rest: [("extra".into(), 1)].into(),
    };
    Everything {
        float: f64::MIN_POSITIVE,
        lowest: -1,
        small: f32::MAX,
        blob: Blob(Vec::new()),
        rest: BTreeMap::new(),
        some: Some(Box::new(inner.clone())),
        ..inner
    }
}

/// Arrays in arrays.
pub(super) fn nested(levels: usize) -> Value {
    (1..levels).fold(Value::Array(Vec::new()), |inner, _| Value::Array(vec![inner]))
}

pub(super) fn assert_round_trips(codec: &dyn Codec) {
    let bytes = encode(codec, &everything()).unwrap();
    assert_eq!(decode::<Everything>(codec, &bytes).unwrap(), everything());
    for end in 0..bytes.len() {
        let error = decode::<Everything>(codec, &bytes[..end]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Value, "cut at {end}");
    }

    let values: Vec<_> = [0, u64::MAX].iter().map(|value| encode(codec, value).unwrap()).collect();
    let names = ["", "\"\\\n\u{0}", "é漢🦀"];
    let fields: Fields = names.into_iter().zip(values.iter().cycle().map(Vec::as_slice)).collect();
    let unpacked = codec.unpack(codec.pack(&fields).unwrap().into()).unwrap();
    assert!(unpacked.iter().eq(fields.iter()));
    assert_eq!(decode::<u64>(codec, unpacked.get(names[1]).unwrap()).unwrap(), u64::MAX);

    let none = codec.unpack(codec.pack(&Fields::default()).unwrap().into()).unwrap();
    assert!(none.is_empty());
}

pub(super) fn codecs() -> Vec<Arc<dyn Codec>> {
    vec![
        Arc::new(Json),
        #[cfg(feature = "msgpack")]
        Arc::new(MessagePack),
        #[cfg(feature = "cbor")]
        Arc::new(Cbor),
    ]
}

#[test]
fn no_error_shows_a_value() {
    for codec in codecs() {
        let text = encode(&*codec, &"hunter2").unwrap();
        let errors = [
            decode::<u8>(&*codec, &text).unwrap_err(),
            decode::<IpAddr>(&*codec, &text).unwrap_err(),
            decode::<Variant>(&*codec, &text).unwrap_err(),
            codec.unpack(text.clone().into()).unwrap_err(),
        ];
        for error in errors {
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}

/// Arbitrary bytes, and bytes that are nearly right.
fn damaged(codec: &dyn Codec) -> impl Strategy<Value = Vec<u8>> + use<> {
    let valid = encode(codec, &everything()).unwrap();
    let flips = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4);
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        flips.prop_map(move |flips| {
            let mut bytes = valid.clone();
            for (at, byte) in flips {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        }),
    ]
}

#[test]
fn damaged_values_and_payloads_end_in_a_result() {
    for codec in codecs() {
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(256));
        let outcome = runner.run(&damaged(&*codec), |bytes| {
            drop(decode::<Everything>(&*codec, &bytes));
            drop(decode::<Value>(&*codec, &bytes));
            if let Ok(fields) = codec.unpack(Bytes::from(bytes)) {
                // The value of a field may be spelt in more than one way; fields may not change.
                let again = codec.unpack(codec.pack(&fields)?.into())?;
                prop_assert!(again.iter().eq(fields.iter()));
            }
            Ok(())
        });
        outcome.unwrap();
    }
}

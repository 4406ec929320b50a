use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::codec::tests::{Everything, codecs, everything, nested};
use crate::codec::{Json, MAX_DEPTH, decode, encode};
use crate::error::ErrorKind;
use crate::token::Partition;

fn key(byte: u8) -> Key {
    Key::from_parts(Partition::new([byte, 0]), [byte; Key::DIGEST_BYTES])
}

fn format(codec: &Arc<dyn Codec>) -> PayloadFormat {
    format_in("shop", codec)
}

fn format_in(namespace: &str, codec: &Arc<dyn Codec>) -> PayloadFormat {
    let namespace = Namespace::parse(namespace).unwrap();
    PayloadFormat::new(Arc::clone(codec), namespace, Limits::default())
}

fn json() -> Arc<dyn Codec> {
    Arc::new(Json)
}

/// Fields that compress well.
fn sample(codec: &dyn Codec) -> Fields {
    let cart = encode(codec, &vec!["a pound of flesh"; 20]).unwrap();
    let user = encode(codec, &7).unwrap();
    [("cart", cart.as_slice()), ("user", &user)].into_iter().collect()
}

fn encoded(format: &PayloadFormat) -> Bytes {
    format.encode(&key(1), &sample(format.codec()).into()).unwrap().as_bytes().clone()
}

#[track_caller]
fn assert_reads(format: &PayloadFormat, stored: &Bytes) {
    let fields = format.decode(&key(1), stored).unwrap();
    assert!(fields.iter().eq(sample(format.codec()).iter()));
}

#[track_caller]
fn refusal(format: &PayloadFormat, stored: impl Into<Bytes>, kind: ErrorKind) -> String {
    let error = format.decode(&key(1), &stored.into()).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    error.to_string()
}

fn every_flip(stored: &Bytes) -> impl Iterator<Item = Vec<u8>> {
    (0..stored.len() * 8).map(|bit| {
        let mut flipped = stored.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    })
}

#[test]
fn json_without_ado_is_stored_as_plain_json() {
    let format = format(&json());
    let fields: Fields = [("a", b"[1]".as_slice())].into_iter().collect();
    assert_eq!(format.encode(&key(1), &fields.into()).unwrap().as_bytes(), "{\"a\":[1]}");
    assert_eq!(format.encode(&key(1), &Arc::default()).unwrap().as_bytes(), "{}");
    assert!(format.decode(&key(1), &Bytes::new()).unwrap().is_empty());
    assert_reads(&format, &encoded(&format));
}

#[test]
fn what_was_written_is_not_decoded_again_by_those_who_keep_it() {
    for codec in codecs() {
        let format = format(&codec);
        let fields = Arc::new(sample(format.codec()));
        let kept = format.encode(&key(1), &fields).unwrap().clone();
        let read = kept.fields(format.id(), |_| panic!("decoded")).unwrap();
        assert!(Arc::ptr_eq(&read, &fields));
        assert_reads(&format, kept.as_bytes());
    }
}

#[test]
fn what_cannot_have_been_written_is_corrupt_and_says_why() {
    let format = format(&json());
    let cases: [(&[u8], &str); 9] = [
        (b"\x02\x01\x00{}", "version: 2"),
        (b" {}", "version: 32"),
        (b"null", "version: 110"),
        (b"\x01", "before its header"),
        (b"\x01\x01", "before its header"),
        (b"\x01\x01\x04{}", "flags: 4"),
        (b"\x01\xc8\x00{}", "codec id: 200"),
        (b"\x01\x01\x00", "no JSON object"),
        (b"{\"a\":1", "no JSON object"),
    ];
    for (stored, reason) in cases {
        let message = refusal(&format, stored, ErrorKind::Corrupt);
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn parts_that_are_not_built_in_are_named() {
    let format = format(&json());
    let sealed = refusal(&format, b"\x01\x01\x02...".as_slice(), ErrorKind::Corrupt);
    let names_it = sealed.contains("needs the feature: encrypt");
    assert_eq!(names_it, !cfg!(feature = "encrypt"), "{sealed}");
    for (feature, built_in, stored) in [
        ("compress", cfg!(feature = "compress"), b"\x01\x01\x01.."),
        ("msgpack", cfg!(feature = "msgpack"), b"\x01\x02\x00.."),
        ("cbor", cfg!(feature = "cbor"), b"\x01\x03\x00.."),
    ] {
        let message = refusal(&format, stored.as_slice(), ErrorKind::Corrupt);
        assert_eq!(message.contains(&format!("needs the feature: {feature}")), !built_in);
    }
}

#[test]
fn damaged_unsealed_payloads_end_in_a_result() {
    for codec in codecs() {
        let format = format(&codec);
        let stored = encoded(&format);
        // Whether codes are cut or not can be told of all but the empty payload.
        for end in 1..stored.len() {
            refusal(&format, stored.slice(..end), ErrorKind::Corrupt);
        }
        for flipped in every_flip(&stored) {
            drop(format.decode(&key(1), &flipped.into()));
        }
    }
}

/// Every codec with every other, and with itself.
fn changes_of_codec() -> impl Iterator<Item = (Arc<dyn Codec>, Arc<dyn Codec>)> {
    codecs().into_iter().flat_map(|old| codecs().into_iter().map(move |new| (old.clone(), new)))
}

#[test]
fn a_codec_is_changed_while_sessions_live() {
    let assert_unchanged = |format: &PayloadFormat, fields: &Fields| {
        let read: Everything = decode(format.codec(), fields.get("é\"").unwrap()).unwrap();
        assert_eq!(read, everything());
        let read: Value = decode(format.codec(), fields.get("deep").unwrap()).unwrap();
        assert_eq!(read, nested(MAX_DEPTH));
    };
    for (old, new) in changes_of_codec() {
        let (old, new) = (format(&old), format(&new));
        let value = encode(old.codec(), &everything()).unwrap();
        let deep = encode(old.codec(), &nested(MAX_DEPTH)).unwrap();
        let fields: Fields =
            [("é\"", value.as_slice()), ("deep", deep.as_slice())].into_iter().collect();
        let stored = old.encode(&key(1), &fields.into()).unwrap();

        let there = new.decode(&key(1), stored.as_bytes()).unwrap();
        assert_unchanged(&new, &there);
        let stored = new.encode(&key(1), &there.into()).unwrap();
        let back = old.decode(&key(1), stored.as_bytes()).unwrap();
        assert_unchanged(&old, &back);
    }
}

/// JSON under another number, to stand for a codec of somebody else's.
#[derive(Debug)]
struct Foreign;

impl Codec for Foreign {
    fn id(&self) -> CodecId {
        CodecId(200)
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, Error> {
        Json.encode(value)
    }

    fn decode(&self, bytes: &[u8], read: crate::codec::ReadValue<'_>) -> Result<(), Error> {
        Json.decode(bytes, read)
    }

    fn pack(&self, fields: &Fields) -> Result<Vec<u8>, Error> {
        Json.pack(fields)
    }

    fn unpack(&self, packed: Bytes) -> Result<Fields, Error> {
        Json.unpack(packed)
    }
}

#[test]
fn a_foreign_codec_is_read_where_it_is_known() {
    let foreign: Arc<dyn Codec> = Arc::new(Foreign);
    let stored = encoded(&format(&foreign));
    assert_eq!(stored[..3], [1, 200, 0]);
    let message = refusal(&format(&json()), stored.clone(), ErrorKind::Corrupt);
    assert!(message.contains("codec id: 200"), "{message}");

    let knowing = format(&json()).reading(Arc::clone(&foreign)).unwrap();
    assert_reads(&knowing, &stored);
    assert_eq!(knowing.reading(foreign).unwrap_err().kind(), ErrorKind::Misconfigured);
    assert!(format(&json()).reading(json()).is_err());
}

#[test]
fn a_value_that_cannot_be_carried_over_is_named_but_not_shown() {
    let format = format(&json()).reading(Arc::new(Foreign)).unwrap();
    let deep = "[".repeat(100_000) + "\"secret\"" + &"]".repeat(100_000);
    for value in [deep.as_str(), "[1e999, \"secret\"]", "\"secret \\ud800\""] {
        let stored = [b"\x01\xc8\x00{\"f\":1,\"cart\":", value.as_bytes(), b"}"].concat();
        let error = format.decode(&key(1), &stored.into()).unwrap_err();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::Corrupt, Some("cart")));
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

/// MessagePack has maps that JSON has not.
#[cfg(feature = "msgpack")]
#[test]
fn a_value_that_the_new_codec_cannot_express_is_an_error() {
    let msgpack: Arc<dyn Codec> = Arc::new(crate::codec::MessagePack);
    let map = std::collections::BTreeMap::from([((1, "secret"), 2)]);
    let value = encode(&*msgpack, &map).unwrap();
    let fields: Fields = [("cart", value.as_slice())].into_iter().collect();
    let stored = format(&msgpack).encode(&key(1), &fields.into()).unwrap();
    let message = refusal(&format(&json()), stored.as_bytes().clone(), ErrorKind::Corrupt);
    assert!(message.contains("from: MessagePack, to: JSON"), "{message}");
}

#[test]
fn limits_hold_both_ways() {
    let roomy = format(&json());
    let stored = encoded(&roomy);
    let bytes = stored.len();
    let with = |limits: Limits| PayloadFormat { limits, ..format(&json()) };

    let exact = with(Limits::default().with_max_payload(bytes).unwrap());
    assert_eq!(encoded(&exact), stored);
    assert_reads(&exact, &stored);

    let tight = with(Limits::default().with_max_payload(bytes - 1).unwrap());
    let error = tight.encode(&key(1), &sample(&Json).into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(error.context("bytes"), Some(bytes.to_string().as_str()));
    refusal(&tight, stored.clone(), ErrorKind::TooLarge);
    refusal(&tight, vec![b'{'; 1_000_000], ErrorKind::TooLarge);

    let few = with(Limits::default().with_max_fields(1).unwrap());
    let error = few.encode(&key(1), &sample(&Json).into()).unwrap_err();
    assert_eq!((error.kind(), error.context("fields")), (ErrorKind::TooLarge, Some("2")));
    refusal(&few, stored, ErrorKind::TooLarge);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn arbitrary_bytes_end_in_a_result(
        envelope in 0..16_u8,
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        for codec in codecs() {
            let enveloped = [&[VERSION, envelope & 3, envelope >> 2], bytes.as_slice()].concat();
            drop(format(&codec).decode(&key(1), &enveloped.into()));
            drop(format(&codec).decode(&key(1), &bytes.clone().into()));
        }
    }

    #[test]
    fn any_fields_come_back(
        pairs in proptest::collection::btree_map(any::<String>(), any::<(i64, String)>(), 0..8),
    ) {
        for codec in codecs() {
            let values: Vec<_> =
                pairs.iter().map(|(name, value)| (name, encode(&*codec, value).unwrap())).collect();
            let fields: Fields =
                values.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            let stored = format(&codec).encode(&key(1), &fields.into())?;
            let read = format(&codec).decode(&key(1), stored.as_bytes())?;
            for (name, value) in &pairs {
                let found: (i64, String) = decode(&*codec, read.get(name).unwrap())?;
                prop_assert_eq!(&found, value);
            }
        }
    }
}

#[cfg(feature = "compress")]
mod compressed {
    use super::*;

    fn compressing(codec: &Arc<dyn Codec>) -> PayloadFormat {
        format(codec).compressing_over(100)
    }

    #[test]
    fn what_is_large_and_shrinks_is_compressed() {
        for codec in codecs() {
            let format = compressing(&codec);
            let stored = encoded(&format);
            assert_eq!(stored[..3], [VERSION, codec.id().0, COMPRESSED]);
            assert!(stored.len() < encoded(&super::format(&codec)).len() / 2);
            assert_reads(&format, &stored);
            assert_reads(&super::format(&codec), &stored);
        }
        let small: Fields = [("a", b"1".as_slice())].into_iter().collect();
        let stored = compressing(&json()).encode(&key(1), &small.into()).unwrap();
        assert_eq!(stored.as_bytes(), "{\"a\":1}");
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_unpacked() {
        let limits = Limits::default().with_max_payload(200).unwrap();
        let format = PayloadFormat { limits, ..compressing(&json()) };
        let bomb = encoded(&compressing(&json()));
        assert!(bomb.len() < 200);
        refusal(&format, bomb, ErrorKind::TooLarge);
        refusal(&format, b"\x01\x01\x01\xff\xff\xff\xff\x00".as_slice(), ErrorKind::TooLarge);
    }

    #[test]
    fn damage_ends_in_a_result() {
        let format = compressing(&json());
        let stored = encoded(&format);
        for end in 1..stored.len() {
            refusal(&format, stored.slice(..end), ErrorKind::Corrupt);
        }
        for flipped in every_flip(&stored) {
            drop(format.decode(&key(1), &flipped.into()));
        }
    }
}

#[cfg(feature = "encrypt")]
mod sealed {
    use super::*;
    use crate::clock::{Entropy, OsEntropy};
    use crate::key_ring::KeyRing;

    fn ring(secrets: &[u8]) -> KeyRing {
        KeyRing::new(secrets.iter().map(|byte| vec![*byte; 32])).unwrap()
    }

    fn sealing(codec: &Arc<dyn Codec>) -> PayloadFormat {
        let format = format(codec).sealing(&ring(&[1]), Arc::new(OsEntropy));
        #[cfg(feature = "compress")]
        let format = format.compressing_over(100);
        format
    }

    #[test]
    fn sealed_payloads_come_back_and_show_nothing() {
        for codec in codecs() {
            let format = sealing(&codec);
            let stored = encoded(&format);
            assert!(!stored.windows(4).any(|window| window == b"cart"));
            assert_reads(&format, &stored);
            let empty = format.encode(&key(1), &Arc::default()).unwrap();
            assert!(format.decode(&key(1), empty.as_bytes()).unwrap().is_empty());
        }
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_corrupt() {
        for codec in codecs() {
            let format = sealing(&codec);
            let stored = encoded(&format);
            for end in 0..stored.len() {
                refusal(&format, stored.slice(..end), ErrorKind::Corrupt);
            }
            for flipped in every_flip(&stored) {
                refusal(&format, flipped, ErrorKind::Corrupt);
            }
            refusal(&format, [&stored, b"\0".as_slice()].concat(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn a_payload_opens_only_where_it_was_sealed() {
        let here = sealing(&json());
        let stored = encoded(&here);
        assert_eq!(here.decode(&key(2), &stored).unwrap_err().kind(), ErrorKind::Corrupt);
        let rotated = Key::from_parts(Partition::new([1, 0]), [3; Key::DIGEST_BYTES]);
        assert!(here.decode(&rotated, &stored).is_err());
        let moved = Key::from_parts(Partition::new([1, 1]), *key(1).digest());
        assert!(here.decode(&moved, &stored).is_err());

        let elsewhere = format_in("wiki", &json()).sealing(&ring(&[1]), Arc::new(OsEntropy));
        let message = refusal(&elsewhere, stored, ErrorKind::Corrupt);
        assert!(message.contains("altered"), "{message}");
    }

    #[test]
    fn what_is_not_sealed_is_never_read_where_sealing_is_configured() {
        for codec in codecs() {
            let plain = encoded(&format(&codec));
            let message = refusal(&sealing(&codec), plain, ErrorKind::Corrupt);
            assert!(message.contains("not sealed"), "{message}");
        }
        for stored in ["", "{}", "\x01\x01\0{}", "\x01\x01\x01{}"] {
            let message = refusal(&sealing(&json()), stored, ErrorKind::Corrupt);
            assert!(message.contains("not sealed"), "{message}");
        }
        // And where it is not configured, what is sealed is not read as anything else.
        refusal(&format(&json()), encoded(&sealing(&json())), ErrorKind::Corrupt);
    }

    #[test]
    fn keys_are_replaced_while_sessions_live() {
        let with = |secrets: &[u8]| format(&json()).sealing(&ring(secrets), Arc::new(OsEntropy));
        let (old, both, new) = (with(&[1]), with(&[2, 1]), with(&[2]));
        assert_reads(&both, &encoded(&old));
        assert_reads(&new, &encoded(&both));
        let message = refusal(&new, encoded(&old), ErrorKind::Corrupt);
        assert!(message.contains("not in the ring"), "{message}");
        refusal(&old, encoded(&both), ErrorKind::Corrupt);
    }

    #[test]
    fn a_codec_is_changed_under_a_seal() {
        for (old, new) in changes_of_codec() {
            assert_reads(&sealing(&new), &encoded(&sealing(&old)));
        }
    }

    #[test]
    fn a_seal_makes_no_payload_too_large_to_be_read() {
        let bytes = Json.pack(&sample(&Json)).unwrap().len();
        let limits = Limits::default().with_max_payload(bytes).unwrap();
        let format = format(&json()).sealing(&ring(&[1]), Arc::new(OsEntropy));
        let format = PayloadFormat { limits, ..format };
        let stored = encoded(&format);
        assert_eq!(stored.len(), bytes + PayloadFormat::OVERHEAD);
        assert_reads(&format, &stored);
    }

    #[test]
    fn without_randomness_nothing_is_sealed() {
        #[derive(Debug)]
        struct Dry;

        impl Entropy for Dry {
            fn fill(&self, _bytes: &mut [u8]) -> Result<(), Error> {
                Err(Error::new(ErrorKind::Entropy, "none left"))
            }
        }

        let format = format(&json()).sealing(&ring(&[1]), Arc::new(Dry));
        let error = format.encode(&key(1), &Arc::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Entropy);
    }
}

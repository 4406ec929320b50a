//! A value of any type, on its way from one format to another.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// What serde's data model tells of a value when nobody says what type it should have.
///
/// (Transcoding without this intermediate, as the crate serde-transcode does, turns an error of
/// the writing side into one of the reading side and back, which erased-serde answers with a
/// panic.)
pub(super) enum Tree {
    Unit,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Signed128(i128),
    Unsigned128(u128),
    Float32(f32),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Seq(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unit => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Signed(value) => serializer.serialize_i64(*value),
            Self::Unsigned(value) => serializer.serialize_u64(*value),
            Self::Signed128(value) => serializer.serialize_i128(*value),
            Self::Unsigned128(value) => serializer.serialize_u128(*value),
            Self::Float32(value) => serializer.serialize_f32(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::Seq(items) => serializer.collect_seq(items),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

macro_rules! visit {
    ($($method:ident($type:ty) => $variant:ident;)*) => {
        $(fn $method<E: Error>(self, value: $type) -> Result<Tree, E> {
            Ok(Tree::$variant(value.into()))
        })*
    };
}

impl<'de> Visitor<'de> for Anything {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    visit! {
        visit_bool(bool) => Bool;
        visit_i64(i64) => Signed;
        visit_u64(u64) => Unsigned;
        visit_i128(i128) => Signed128;
        visit_u128(u128) => Unsigned128;
        visit_f32(f32) => Float32;
        visit_f64(f64) => Float;
        visit_str(&str) => Text;
        visit_string(String) => Text;
        visit_bytes(&[u8]) => Bytes;
        visit_byte_buf(Vec<u8>) => Bytes;
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Unit)
    }

    fn visit_none<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Unit)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::Seq(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}

//! Makes a binary format take the textual form of types that have two.
//!
//! A UUID or an IP address asks the serializer whether it is human-readable, and is written as
//! text or as bytes. Bytes carried over into JSON could not be read back as what they were, so
//! every codec says yes. The CBOR serializer cannot be told to; this wraps it.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// A value, a serializer, or what a serializer made for a compound value.
pub(super) struct Readable<T>(pub(super) T);

impl<T: Serialize + ?Sized> Serialize for Readable<&T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Readable(serializer))
    }
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(fn $method(self, $($argument: $type),*) -> Result<$result, S::Error> {
            self.0.$method($($argument),*)
        })*
    };
}

macro_rules! open {
    ($($method:ident($($argument:ident: $type:ty),*) -> $result:ident;)*) => {
        $(fn $method(self, $($argument: $type),*) -> Result<Self::$result, S::Error> {
            self.0.$method($($argument),*).map(Readable)
        })*
    };
}

impl<S: Serializer> Serializer for Readable<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Readable<S::SerializeSeq>;
    type SerializeTuple = Readable<S::SerializeTuple>;
    type SerializeTupleStruct = Readable<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Readable<S::SerializeTupleVariant>;
    type SerializeMap = Readable<S::SerializeMap>;
    type SerializeStruct = Readable<S::SerializeStruct>;
    type SerializeStructVariant = Readable<S::SerializeStructVariant>;

    fn is_human_readable(&self) -> bool {
        true
    }

    forward! {
        serialize_bool(value: bool) -> S::Ok;
        serialize_i8(value: i8) -> S::Ok;
        serialize_i16(value: i16) -> S::Ok;
        serialize_i32(value: i32) -> S::Ok;
        serialize_i64(value: i64) -> S::Ok;
        serialize_i128(value: i128) -> S::Ok;
        serialize_u8(value: u8) -> S::Ok;
        serialize_u16(value: u16) -> S::Ok;
        serialize_u32(value: u32) -> S::Ok;
        serialize_u64(value: u64) -> S::Ok;
        serialize_u128(value: u128) -> S::Ok;
        serialize_f32(value: f32) -> S::Ok;
        serialize_f64(value: f64) -> S::Ok;
        serialize_char(value: char) -> S::Ok;
        serialize_str(value: &str) -> S::Ok;
        serialize_bytes(value: &[u8]) -> S::Ok;
        serialize_none() -> S::Ok;
        serialize_unit() -> S::Ok;
        serialize_unit_struct(name: &'static str) -> S::Ok;
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> S::Ok;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&Readable(value))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_struct(name, &Readable(value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_variant(name, index, variant, &Readable(value))
    }

    open! {
        serialize_seq(len: Option<usize>) -> SerializeSeq;
        serialize_tuple(len: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, len: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(
            name: &'static str, index: u32, variant: &'static str, len: usize
        ) -> SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> SerializeStruct;
        serialize_struct_variant(
            name: &'static str, index: u32, variant: &'static str, len: usize
        ) -> SerializeStructVariant;
    }
}

macro_rules! compound {
    ($($trait:ident { $($method:ident($($key:ident: $type:ty)?));* })*) => {
        $(impl<C: $trait> $trait for Readable<C> {
            type Ok = C::Ok;
            type Error = C::Error;

            $(fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($key: $type,)?
                value: &T,
            ) -> Result<(), C::Error> {
                self.0.$method($($key,)? &Readable(value))
            })*

            fn end(self) -> Result<C::Ok, C::Error> {
                self.0.end()
            }
        })*
    };
}

compound! {
    SerializeSeq { serialize_element() }
    SerializeTuple { serialize_element() }
    SerializeTupleStruct { serialize_field() }
    SerializeTupleVariant { serialize_field() }
    SerializeMap { serialize_key(); serialize_value() }
    SerializeStruct { serialize_field(key: &'static str) }
    SerializeStructVariant { serialize_field(key: &'static str) }
}

//! How values become bytes, and fields a payload.

#[cfg(feature = "cbor")]
mod cbor;
#[cfg_attr(not(feature = "compress"), path = "no_compress.rs")]
mod compress;
mod failure;
pub mod frame;
mod json;
mod limits;
#[cfg(feature = "msgpack")]
mod msgpack;
mod payload;
#[cfg(feature = "cbor")]
mod readable;
#[cfg_attr(not(feature = "encrypt"), path = "no_seal.rs")]
mod seal;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "cbor")]
pub use self::cbor::Cbor;
pub use self::json::Json;
pub use self::limits::Limits;
#[cfg(feature = "msgpack")]
pub use self::msgpack::MessagePack;
pub(crate) use self::payload::PayloadFormat;
use crate::error::Error;
use crate::fields::Fields;

/// Encodes values one by one, and packs encoded values into a payload.
///
/// Object-safe, so that an application names no codec in its types. Implement it to plug in a
/// format of your own: `encode` and `decode` are usually one call each into a serde format.
///
/// # Change of codec
///
/// A payload of another known codec is carried over value by value when it is loaded, without
/// knowledge of the values' types. That takes a format that describes itself, and one whose
/// serializer and deserializer say that they are human-readable, so that types with a textual
/// and a compact form keep the textual one. Maps with keys other than strings, integers beyond
/// 64 bits and unit structs are not sure to survive.
///
/// Compression and encryption are not a codec's business: they wrap whatever it packed.
pub trait Codec: fmt::Debug + Send + Sync + 'static {
    /// Names the codec in the envelope of a payload. Never changes once payloads are stored.
    fn id(&self) -> CodecId;

    /// Encodes a value.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`](crate::ErrorKind::Value) if the format cannot express the value.
    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, Error>;

    /// Hands a deserializer over `bytes` to `read`, and checks that it took them all. Nesting
    /// deeper than [`MAX_DEPTH`] is refused, never followed until the stack runs out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`](crate::ErrorKind::Value) if the bytes are not what `read` wanted.
    fn decode(&self, bytes: &[u8], read: ReadValue<'_>) -> Result<(), Error>;

    /// Packs fields into a payload.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`](crate::ErrorKind::Value) if the format cannot express a name.
    fn pack(&self, fields: &Fields) -> Result<Vec<u8>, Error>;

    /// Unpacks a payload, copying and decoding as little as the format allows.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if this is no payload of this codec.
    fn unpack(&self, packed: Bytes) -> Result<Fields, Error>;
}

/// What [`Codec::decode`] hands a deserializer to.
pub type ReadValue<'a> = &'a mut (
            dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>
                + 'a
        );

/// Deepest nesting of arrays and maps in a value. A deeper one is refused when it is encoded, so
/// that nothing is stored that cannot be read again, and when it is decoded. (It is what
/// serde_json follows.)
pub const MAX_DEPTH: usize = 127;

/// The number of a codec. Below 128: ours; from 128 on: yours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodecId(pub u8);

impl CodecId {
    /// JSON (RFC 8259).
    pub const JSON: Self = Self(1);
    /// MessagePack.
    pub const MSGPACK: Self = Self(2);
    /// CBOR (RFC 8949).
    pub const CBOR: Self = Self(3);
}

impl fmt::Display for CodecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::JSON => f.write_str("JSON"),
            Self::MSGPACK => f.write_str("MessagePack"),
            Self::CBOR => f.write_str("CBOR"),
            Self(id) => write!(f, "{id}"),
        }
    }
}

/// Encodes a value of a known type.
pub(crate) fn encode<T: Serialize + ?Sized>(
    codec: &dyn Codec,
    value: &T,
) -> Result<Vec<u8>, Error> {
    codec.encode(&value)
}

/// Decodes a value into a known type.
pub(crate) fn decode<T: DeserializeOwned>(codec: &dyn Codec, bytes: &[u8]) -> Result<T, Error> {
    let mut value = None;
    codec.decode(bytes, &mut |deserializer| {
        value = Some(erased_serde::deserialize(deserializer)?);
        Ok(())
    })?;
    value.ok_or_else(|| Error::new(crate::ErrorKind::Value, "the codec decoded nothing"))
}

//! Fields in their stored form.
//!
//! ```text
//! stored     = plain | envelope
//! plain      = a JSON object, from its "{" on
//! envelope   = version (0x01) codec (1 byte) flags (1 byte) body
//! flags      = bit 0: compressed, bit 1: sealed; all others are zero
//! body       = packed | compressed | sealed (packed | compressed)
//! compressed = length of packed (u32, little-endian) LZ4-block
//! sealed     = key-id (4 bytes) nonce (24) ciphertext tag (16)
//! ```
//!
//! No bytes at all are a session without fields.
//!
//! A seal covers the envelope's first three bytes, the namespace and the key of the session, so
//! a payload that was moved to another session or namespace, or whose header was changed, does
//! not open. Where payloads are sealed, everything unsealed is refused, no bytes at all
//! included: what fails to decrypt is never tried as plain (compare rack-session
//! CVE-2026-39324).

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;

use super::compress::{compress, decompress};
use super::failure::{corrupt, missing_feature};
use super::seal::Seal;
use super::tree::Tree;
use super::{Codec, CodecId, Limits};
use crate::error::Error;
use crate::fields::Fields;
use crate::key::Key;
use crate::namespace::Namespace;
use crate::record::{FormatId, Payload};
use crate::sessions::fixed;

const VERSION: u8 = 1;
const COMPRESSED: u8 = 1;
const SEALED: u8 = 1 << 1;

/// Version, codec, flags.
type Header = [u8; 3];

/// Turns fields into what a store keeps, and back.
///
/// What one format wrote, another reads if it knows the codec and, for sealed payloads, a key:
/// so codec, compression and keys can be changed while the application runs on several nodes.
#[derive(Debug)]
pub(crate) struct PayloadFormat {
    id: FormatId,
    codec: Arc<dyn Codec>,
    readers: Vec<Arc<dyn Codec>>,
    compress_over: Option<usize>,
    seal: Option<Seal>,
    limits: Limits,
    namespace: Namespace,
}

impl PayloadFormat {
    /// Payloads written by `codec`. Those of the codecs that are built in are read as well.
    pub(crate) fn new(codec: Arc<dyn Codec>, namespace: Namespace, limits: Limits) -> Self {
        let (readers, compress_over, seal) = (Vec::new(), None, None);
        let id = FormatId::new();
        Self { id, codec, readers, compress_over, seal, limits, namespace }
    }

    /// Reads payloads of another codec as well, during a change from or to it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] if two of the codecs have the same id.
    pub(crate) fn reading(mut self, codec: Arc<dyn Codec>) -> Result<Self, Error> {
        if self.configured(codec.id()).is_some() {
            return Err(Error::misconfigured(
                "codec",
                codec.id(),
                "two codecs of one id cannot be told apart",
            ));
        }
        self.readers.push(codec);
        Ok(self)
    }

    /// Compresses what packs into more than `bytes`, if that makes it smaller.
    #[cfg(feature = "compress")]
    pub(crate) fn compressing_over(self, bytes: usize) -> Self {
        Self { compress_over: Some(bytes), ..self }
    }

    /// Seals every payload, and refuses those that are not.
    #[cfg(feature = "encrypt")]
    pub(crate) fn sealing(
        self,
        keys: &crate::key_ring::KeyRing,
        entropy: Arc<dyn crate::clock::Entropy>,
    ) -> Self {
        Self { seal: Some(Seal::new(keys, entropy)), ..self }
    }

    /// Takes over from another format, which has written what there is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] if it would encode values otherwise, which requests under way
    /// hand to each other, or if it would refuse what is sealed, or is not.
    pub(crate) fn succeed(&mut self, earlier: &Self) -> Result<(), Error> {
        if self.codec.id() != earlier.codec.id() {
            return Err(fixed("codec", self.codec.id()));
        }
        if self.seal.is_some() != earlier.seal.is_some() {
            return Err(fixed("encrypt", self.seal.is_some()));
        }
        if self.reads_as(earlier) {
            // What the earlier one has decoded need not be decoded again.
            self.id = earlier.id;
        }
        Ok(())
    }

    /// Whether the two accept the same payloads.
    fn reads_as(&self, other: &Self) -> bool {
        let readers = |format: &Self| {
            let ids = format.readers.iter().map(|reader| reader.id());
            ids.collect::<Vec<_>>()
        };
        let keys = |format: &Self| format.seal.as_ref().map(Seal::key_ids);
        self.limits == other.limits && readers(self) == readers(other) && keys(self) == keys(other)
    }

    /// The codec that values are encoded with, in all fields that [`decode`](Self::decode)
    /// returns and [`encode`](Self::encode) takes.
    pub(crate) fn codec(&self) -> &dyn Codec {
        &*self.codec
    }

    /// Tells what this format has decoded from what others have.
    pub(crate) fn id(&self) -> FormatId {
        self.id
    }

    /// How large the fields of a session may be.
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// The stored form of the session at `key`, which remembers its fields. Of no use at another
    /// key, if it is sealed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] beyond the limits, [`ErrorKind::Entropy`] without randomness.
    pub(crate) fn encode(&self, key: &Key, fields: &Arc<Fields>) -> Result<Payload, Error> {
        let stored = self.wrap(key, fields)?;
        Ok(Payload::with_fields(stored, self.id, Arc::clone(fields)))
    }

    /// Packs the fields and puts them into an envelope, unless they need none.
    fn wrap(&self, key: &Key, fields: &Fields) -> Result<Vec<u8>, Error> {
        self.limits.check_fields(fields.len())?;
        let packed = self.codec.pack(fields)?;
        self.limits.check_payload(packed.len())?;
        let compressed = match self.compress_over {
            Some(limit) if packed.len() > limit => compress(&packed),
            _ => None,
        };
        let codec = self.codec.id();
        let is_plain = codec == CodecId::JSON && packed.first() == Some(&b'{');
        if is_plain && compressed.is_none() && self.seal.is_none() {
            return Ok(packed);
        }
        let compressing = if compressed.is_some() { COMPRESSED } else { 0 };
        let sealing = if self.seal.is_some() { SEALED } else { 0 };
        let header = [VERSION, codec.0, compressing | sealing];
        let body = compressed.unwrap_or(packed);
        let mut stored = Vec::with_capacity(Self::OVERHEAD + body.len());
        stored.extend_from_slice(&header);
        match &self.seal {
            Some(seal) => seal.seal(&self.context(header, key), &body, &mut stored)?,
            None => stored.extend_from_slice(&body),
        }
        Ok(stored)
    }

    /// The fields of the session at `key`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] for what this format cannot have written, what another one wrote
    /// with a codec or a key unknown to this one, and what was altered or moved.
    /// [`ErrorKind::TooLarge`] beyond the limits.
    pub(crate) fn decode(&self, key: &Key, stored: &Bytes) -> Result<Fields, Error> {
        self.limits.check_payload(stored.len().saturating_sub(Self::OVERHEAD))?;
        let (codec, packed) = match stored.first() {
            Some(&VERSION) => self.unwrap(key, stored)?,
            _ if self.seal.is_some() => return Err(unsealed()),
            Some(b'{') => (self.reader(CodecId::JSON)?, stored.clone()),
            Some(version) => {
                return Err(corrupt("a payload is of an unknown version").with("version", version));
            }
            None => return Ok(Fields::default()),
        };
        self.limits.check_payload(packed.len())?;
        let fields = codec.unpack(packed)?;
        self.limits.check_fields(fields.len())?;
        if codec.id() == self.codec.id() { Ok(fields) } else { self.transcode(codec, &fields) }
    }

    /// By how many bytes a stored payload can exceed a packed one, which compression never
    /// makes longer.
    const OVERHEAD: usize = size_of::<Header>() + Seal::OVERHEAD;

    /// Takes off the envelope.
    fn unwrap(&self, key: &Key, stored: &Bytes) -> Result<(&dyn Codec, Bytes), Error> {
        let header = *stored
            .first_chunk::<3>()
            .ok_or_else(|| corrupt("a payload ends before its header does"))?;
        let [_, codec, flags] = header;
        if flags & !(COMPRESSED | SEALED) != 0 {
            return Err(corrupt("a payload has unknown flags").with("flags", flags));
        }
        let mut body = stored.slice(header.len()..);
        match (&self.seal, flags & SEALED != 0) {
            (Some(seal), true) => body = seal.open(&self.context(header, key), &body)?.into(),
            (Some(_), false) => return Err(unsealed()),
            (None, true) => return Err(no_keys()),
            (None, false) => {}
        }
        if flags & COMPRESSED != 0 {
            body = decompress(&body, &self.limits)?.into();
        }
        Ok((self.reader(CodecId(codec))?, body))
    }

    /// What a seal covers besides the payload itself.
    fn context(&self, header: Header, key: &Key) -> Vec<u8> {
        let namespace = self.namespace.as_str().as_bytes();
        let mut context = Vec::with_capacity(128);
        context.extend_from_slice(&header);
        // A namespace fits in a byte; what follows has a fixed length.
        context.push(namespace.len() as u8);
        context.extend_from_slice(namespace);
        context.extend_from_slice(key.partition().as_bytes());
        context.extend_from_slice(key.digest());
        context
    }

    fn configured(&self, id: CodecId) -> Option<&dyn Codec> {
        std::iter::once(&self.codec)
            .chain(&self.readers)
            .map(|codec| &**codec)
            .find(|codec| codec.id() == id)
    }

    fn reader(&self, id: CodecId) -> Result<&dyn Codec, Error> {
        self.configured(id).map_or_else(|| built_in(id), Ok)
    }

    /// Encodes every value anew with the codec of this format.
    fn transcode(&self, from: &dyn Codec, fields: &Fields) -> Result<Fields, Error> {
        let mut transcoded = Vec::with_capacity(fields.len());
        for (name, value) in fields.iter() {
            let tree = super::decode::<Tree>(from, value);
            let value = tree.and_then(|tree| self.codec.encode(&tree)).map_err(|error| {
                corrupt("a value cannot be carried over from another codec")
                    .with("field", name)
                    .with("from", from.id())
                    .with("to", self.codec.id())
                    .with_source(error)
            })?;
            transcoded.push((name, value));
        }
        Ok(transcoded.iter().map(|(name, value)| (*name, value.as_slice())).collect())
    }
}

fn unsealed() -> Error {
    corrupt("a payload is not sealed, although sealing is configured")
}

fn no_keys() -> Error {
    if cfg!(feature = "encrypt") {
        corrupt("a payload is sealed, but no key ring is configured")
    } else {
        missing_feature("a payload is sealed", "encrypt")
    }
}

fn built_in(id: CodecId) -> Result<&'static dyn Codec, Error> {
    match id {
        CodecId::JSON => Ok(&super::Json),
        #[cfg(feature = "msgpack")]
        CodecId::MSGPACK => Ok(&super::MessagePack),
        #[cfg(not(feature = "msgpack"))]
        CodecId::MSGPACK => Err(missing_feature("a payload is MessagePack", "msgpack")),
        #[cfg(feature = "cbor")]
        CodecId::CBOR => Ok(&super::Cbor),
        #[cfg(not(feature = "cbor"))]
        CodecId::CBOR => Err(missing_feature("a payload is CBOR", "cbor")),
        CodecId(unknown) => {
            Err(corrupt("a payload is of an unknown codec").with("codec id", unknown))
        }
    }
}

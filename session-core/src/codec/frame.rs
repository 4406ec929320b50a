//! A container of named byte strings, for codecs whose format has no handy one of its own.
//!
//! ```text
//! frame  = count field*
//! field  = length-of-name length-of-value name value
//! ```
//!
//! `count` and both lengths are unsigned LEB128 of at most 32 bits, in as few bytes as they fit.
//! Names are UTF-8 and distinct. Every byte is accounted for: one too few or too many is an
//! error. Values are opaque, and unpacking copies none of them.

use bytes::Bytes;

use super::failure::corrupt;
use crate::error::Error;
use crate::fields::Fields;

/// Packs fields into a frame. Usable as the whole of [`Codec::pack`](super::Codec::pack).
///
/// ```
/// use session_core::Fields;
/// use session_core::codec::frame;
///
/// let fields: Fields = [("a", b"\x01".as_slice()), ("bc", b"")].into_iter().collect();
/// assert_eq!(frame::pack(&fields), b"\x02\x01\x01a\x01\x02\x00bc");
/// ```
pub fn pack(fields: &Fields) -> Vec<u8> {
    let mut packed = Vec::new();
    put_number(&mut packed, fields.len());
    for (name, value) in fields.iter() {
        put_number(&mut packed, name.len());
        put_number(&mut packed, value.len());
        packed.extend_from_slice(name.as_bytes());
        packed.extend_from_slice(value);
    }
    packed
}

/// Unpacks a frame. Usable as the whole of [`Codec::unpack`](super::Codec::unpack).
///
/// # Errors
///
/// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if this is no frame.
pub fn unpack(packed: Bytes) -> Result<Fields, Error> {
    let mut reader = Reader { bytes: &packed, at: 0 };
    let mut ranges = Vec::new();
    let cut_short = || corrupt("a payload ends before its last field does");
    // Nothing is set aside for a number that was merely claimed.
    for _ in 0..reader.number().ok_or_else(cut_short)? {
        ranges.push(reader.field().ok_or_else(cut_short)?);
    }
    if reader.at != packed.len() {
        return Err(corrupt("a payload goes on after its last field"));
    }
    Fields::view(packed.clone(), ranges)
        .ok_or_else(|| corrupt("a payload has two fields of one name, or one that is not UTF-8"))
}

type Range = std::ops::Range<usize>;

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn field(&mut self) -> Option<(Range, Range)> {
        let name = self.number()? as usize;
        let value = self.number()? as usize;
        Some((self.take(name)?, self.take(value)?))
    }

    fn take(&mut self, length: usize) -> Option<Range> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        let range = self.at..end;
        self.at = end;
        Some(range)
    }

    fn number(&mut self) -> Option<u32> {
        let mut number = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                // A zero at the end would be a second spelling of the same number.
                let is_shortest = byte != 0 || shift == 0;
                return u32::try_from(number).ok().filter(|_| is_shortest);
            }
        }
        None
    }
}

fn put_number(packed: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        packed.push(number as u8 | 0x80);
        number >>= 7;
    }
    packed.push(number as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorKind;

    fn sample() -> Fields {
        let long = [b'x'; 300];
        [("", b"".as_slice()), ("naïve \"name\"\n", b"\x00\xff"), ("long", &long)]
            .into_iter()
            .collect()
    }

    #[test]
    fn a_frame_is_viewed_without_copying() {
        let packed = Bytes::from(pack(&sample()));
        let fields = unpack(packed.clone()).unwrap();
        assert!(fields.iter().eq(sample().iter()));
        let value = fields.get("long").unwrap();
        assert_eq!(value.as_ptr(), packed[packed.len() - 300..].as_ptr());
    }

    #[test]
    fn every_cut_and_every_excess_is_corrupt() {
        let packed = pack(&sample());
        for end in 0..packed.len() {
            let error = unpack(Bytes::copy_from_slice(&packed[..end])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "cut at {end}");
        }
        assert!(unpack([packed, vec![0]].concat().into()).is_err());
    }

    #[test]
    fn claimed_lengths_allocate_nothing() {
        let claims: [&[u8]; 6] = [
            b"\xff\xff\xff\xff\x0f",
            b"\x01\xff\xff\xff\xff\x0f\x00a",
            b"\x01\x01\xff\xff\xff\xff\x0fa",
            b"\xff\xff\xff\xff\x10",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x80\x00",
        ];
        for claim in claims {
            let error = unpack(Bytes::from_static(claim)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", claim.escape_ascii());
        }
    }

    #[test]
    fn names_are_distinct_and_utf8() {
        assert!(unpack(Bytes::from_static(b"\x02\x01\x00a\x01\x00a")).is_err());
        assert!(unpack(Bytes::from_static(b"\x01\x01\x00\xff")).is_err());
        assert!(unpack(Bytes::from_static(b"\x00")).unwrap().is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn a_frame_has_one_spelling(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(fields) = unpack(bytes.clone().into()) {
                prop_assert_eq!(pack(&fields), bytes);
            }
        }
    }
}

//! LZ4 compression of packed fields: the decoded length, a little-endian `u32`, then one block.

use lz4_flex::block::{compress_prepend_size, decompress_into, uncompressed_size};

use super::failure::corrupt;
use super::limits::Limits;
use crate::error::Error;

/// The compressed form, if it is the smaller one.
pub(super) fn compress(packed: &[u8]) -> Option<Vec<u8>> {
    let compressed = compress_prepend_size(packed);
    (compressed.len() < packed.len()).then_some(compressed)
}

/// What was compressed. Its length is checked before any memory is set aside for it.
pub(super) fn decompress(compressed: &[u8], limits: &Limits) -> Result<Vec<u8>, Error> {
    let (length, block) = uncompressed_size(compressed)
        .map_err(|_| corrupt("a compressed payload ends before its length does"))?;
    limits.check_payload(length)?;
    if length / MAX_RATIO > block.len() {
        return Err(corrupt("a compressed payload claims to hold more than it can")
            .with("claimed", length)
            .with("bytes", block.len()));
    }
    let mut packed = vec![0; length];
    match decompress_into(block, &mut packed) {
        Ok(written) if written == length => Ok(packed),
        _ => Err(corrupt("a compressed payload is damaged")),
    }
}

/// A byte of an LZ4 block stands for 255 bytes at most.
const MAX_RATIO: usize = 255;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_shrinks_comes_back_and_the_rest_is_left_alone() {
        let packed = b"as like as two peas ".repeat(100);
        let compressed = compress(&packed).unwrap();
        assert!(compressed.len() < 100);
        assert_eq!(decompress(&compressed, &Limits::default()).unwrap(), packed);
        assert_eq!(compress(b"0123456789abcdef"), None);
    }

    #[test]
    fn every_cut_is_corrupt_and_no_flipped_bit_panics() {
        let compressed = compress(&b"as like as two peas ".repeat(10)).unwrap();
        for end in 0..compressed.len() {
            let error = decompress(&compressed[..end], &Limits::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "cut at {end}");
        }
        for bit in 0..compressed.len() * 8 {
            let mut flipped = compressed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            drop(decompress(&flipped, &Limits::default()));
        }
    }

    #[test]
    fn a_bomb_is_refused_by_its_claim_alone() {
        let limits = Limits::default().with_max_payload(1_000).unwrap();
        let bomb = compress(&[0; 1_001]).unwrap();
        let error = decompress(&bomb, &limits).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert_eq!(error.context("bytes"), Some("1001"));

        let mut claim = bomb.clone();
        claim[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decompress(&claim, &limits).unwrap_err().kind(), ErrorKind::TooLarge);

        // Within the limit, but not with so few bytes.
        claim[..4].copy_from_slice(&1_000_u32.to_le_bytes());
        let error = decompress(&claim[..6], &limits).unwrap_err();
        assert_eq!(error.context("claimed"), Some("1000"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn arbitrary_blocks_end_in_a_result(
            length in 0..500_u32,
            block in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            drop(decompress(&[&length.to_le_bytes(), &*block].concat(), &Limits::default()));
        }
    }
}

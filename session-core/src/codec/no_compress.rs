//! What stands in for compression when it was not built in.

use super::failure::missing_feature;
use super::limits::Limits;
use crate::error::Error;

pub(super) fn compress(_packed: &[u8]) -> Option<Vec<u8>> {
    None
}

pub(super) fn decompress(_compressed: &[u8], _limits: &Limits) -> Result<Vec<u8>, Error> {
    Err(missing_feature("a stored payload is compressed", "compress"))
}

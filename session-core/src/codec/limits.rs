//! How large a session may grow.

use crate::error::{Error, ErrorKind};

/// How large the fields of one session may be, checked when they are stored and again before
/// they are read.
///
/// ```
/// use session_core::codec::Limits;
///
/// let limits = Limits::default().with_max_payload(64 * 1024)?.with_max_fields(100)?;
/// assert_eq!(limits.max_payload(), 65_536);
/// assert!(Limits::default().with_max_fields(0).is_err());
/// # Ok::<(), session_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    max_payload: usize,
    max_fields: usize,
}

impl Limits {
    /// The highest [`max_payload`](Self::max_payload) that can be set: 1 GiB.
    pub const MAX_PAYLOAD: usize = 1 << 30;

    /// Sets how many bytes the packed fields of a session may take, before compression and
    /// encryption.
    ///
    /// # Default
    ///
    /// 256 KiB.
    ///
    /// # Performance impact
    ///
    /// A session travels whole whenever it is loaded or saved; a damaged payload makes the
    /// process set aside this much at most.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] for zero, or more than [`Self::MAX_PAYLOAD`].
    pub fn with_max_payload(self, bytes: usize) -> Result<Self, Error> {
        if bytes == 0 || bytes > Self::MAX_PAYLOAD {
            return Err(Error::misconfigured(
                "max_payload",
                bytes,
                "a payload may take 1 byte to 1 GiB",
            ));
        }
        Ok(Self { max_payload: bytes, ..self })
    }

    /// Sets how many fields a session may have.
    ///
    /// # Default
    ///
    /// 1,024.
    ///
    /// # Performance impact
    ///
    /// A field is looked up by going through the names.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] for zero.
    pub fn with_max_fields(self, fields: usize) -> Result<Self, Error> {
        if fields == 0 {
            return Err(Error::misconfigured(
                "max_fields",
                fields,
                "a session that may have no field can hold nothing",
            ));
        }
        Ok(Self { max_fields: fields, ..self })
    }

    /// How many bytes the packed fields of a session may take.
    pub const fn max_payload(&self) -> usize {
        self.max_payload
    }

    /// How many fields a session may have.
    pub const fn max_fields(&self) -> usize {
        self.max_fields
    }

    /// Checks the length of packed fields.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if they take more than [`max_payload`](Self::max_payload).
    pub fn check_payload(&self, bytes: usize) -> Result<(), Error> {
        if bytes <= self.max_payload {
            return Ok(());
        }
        Err(Error::new(ErrorKind::TooLarge, "the fields of a session take too many bytes")
            .with("bytes", bytes)
            .with("limit", self.max_payload))
    }

    /// Checks a number of fields.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if it is more than [`max_fields`](Self::max_fields).
    pub fn check_fields(&self, fields: usize) -> Result<(), Error> {
        if fields <= self.max_fields {
            return Ok(());
        }
        Err(Error::new(ErrorKind::TooLarge, "a session has too many fields")
            .with("fields", fields)
            .with("limit", self.max_fields))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_payload: 256 * 1024, max_fields: 1_024 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_inclusive_and_never_zero() {
        let limits = Limits::default().with_max_payload(10).unwrap().with_max_fields(2).unwrap();
        assert!(limits.check_payload(10).is_ok());
        assert!(limits.check_fields(2).is_ok());
        let error = limits.check_payload(11).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert_eq!((error.context("bytes"), error.context("limit")), (Some("11"), Some("10")));
        assert_eq!(limits.check_fields(3).unwrap_err().context("fields"), Some("3"));

        assert!(limits.with_max_payload(0).is_err());
        assert!(limits.with_max_payload(Limits::MAX_PAYLOAD + 1).is_err());
        assert!(limits.with_max_fields(0).is_err());
    }
}

//! What a store keeps of a session.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::fields::Fields;
use crate::subject::{Device, Subject};
use crate::timeouts::Timeouts;

/// Which state of a session this is. Given by the store, higher with every write of a session
/// and of its successors; a touch is no write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u64);

impl Revision {
    /// The revision of a record that no store has seen yet.
    pub const UNSAVED: Self = Self(0);

    /// The revision of that number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The revision after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A session as stored.
///
/// A record is a value: a store keeps what it is given, and gives it back with the revision it
/// assigned and the idle deadline it was last touched to.
#[derive(Clone, Debug)]
pub struct Record {
    /// Which state this is. What a caller puts here is not read by `create`.
    pub revision: Revision,
    /// When the session began.
    pub created_at: Timestamp,
    /// When the client last proved who it is, if it did.
    pub authenticated_at: Option<Timestamp>,
    /// When the session ends unless it is used before. Never after the absolute deadline.
    pub idle_deadline: Timestamp,
    /// When the session ends whatever happens.
    pub absolute_deadline: Timestamp,
    /// Timeouts of this session's own, in place of the application's.
    pub timeouts: Option<Timeouts>,
    /// Who is signed in.
    pub subject: Option<Subject>,
    /// From what device.
    pub device: Option<Arc<Device>>,
    /// The fields, encoded.
    pub payload: Payload,
}

impl Record {
    /// Whether the session has ended. The deadline itself is the first moment after the end.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.idle_deadline.min(self.absolute_deadline)
    }

    /// The timeouts in force: the session's own, else the application's.
    pub(crate) fn timeouts_or(&self, default: Timeouts) -> Timeouts {
        self.timeouts.unwrap_or(default)
    }

    /// When the session was last used, as far as touches tell: to within the interval between
    /// two touches. In the last idle period before the absolute deadline, when there is nothing
    /// left to extend, it may be older than the truth.
    pub(crate) fn last_seen_at(&self, default: Timeouts) -> Timestamp {
        self.idle_deadline.minus(self.timeouts_or(default).idle()).max(self.created_at)
    }
}

/// A session's fields in their stored form: opaque bytes to every store.
///
/// The decoded form is memoised beside them and shared by every holder of the record, so what
/// a cache or the embedded store holds is decoded once. What a session writes comes with that
/// form, which is about as large again: a store that weighs what it keeps counts it too, or keeps
/// a [new](Payload::new) payload of the bytes alone.
#[derive(Clone, Default)]
pub struct Payload {
    bytes: Bytes,
    decoded: OnceLock<(FormatId, Arc<Fields>)>,
}

/// Which way of decoding payloads a memo comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FormatId(u64);

impl FormatId {
    /// One that nobody in this process has.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Payload {
    /// A payload of these bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), decoded: OnceLock::new() }
    }

    /// A payload of these bytes, which are the encoded form of `fields`: nobody needs to decode
    /// them.
    pub(crate) fn with_fields(
        bytes: impl Into<Bytes>,
        format: FormatId,
        fields: Arc<Fields>,
    ) -> Self {
        Self { bytes: bytes.into(), decoded: OnceLock::from((format, fields)) }
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The fields, decoded by `decode` if this format did not do so before. What another one made
    /// of the bytes, with other keys or none, is not this one's.
    pub(crate) fn fields(
        &self,
        format: FormatId,
        decode: impl FnOnce(&Bytes) -> Result<Fields, Error>,
    ) -> Result<Arc<Fields>, Error> {
        if let Some((decoder, fields)) = self.decoded.get()
            && *decoder == format
        {
            return Ok(Arc::clone(fields));
        }
        let fields = Arc::new(decode(&self.bytes)?);
        // Whoever comes first is remembered.
        let _ = self.decoded.set((format, Arc::clone(&fields)));
        Ok(fields)
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Payload {}

/// The size only: a payload is nobody's business but the application's.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_was_seen_before_it_was_created() {
        let at = Timestamp::from_millis;
        let record = Record {
            revision: Revision::UNSAVED,
            created_at: at(1_000),
            authenticated_at: None,
            idle_deadline: at(1_500),
            absolute_deadline: at(1_500),
            timeouts: None,
            subject: None,
            device: None,
            payload: Payload::default(),
        };
        assert_eq!(record.last_seen_at(Timeouts::default()), at(1_000));
    }

    #[test]
    fn a_payload_is_decoded_once_for_all_its_holders() {
        let payload = Payload::new("{}");
        let format = FormatId::new();
        let first = payload.fields(format, |_| Ok(Fields::default())).unwrap();
        let copy = payload.clone();
        let second = copy.fields(format, |_| panic!("decoded already")).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        let other = copy.fields(FormatId::new(), |_| Ok(Fields::default())).unwrap();
        assert!(!Arc::ptr_eq(&first, &other), "another format decodes for itself");
        assert_eq!(format!("{payload:?}"), "Payload(2 bytes)");
    }

    #[test]
    fn what_was_encoded_is_not_decoded() {
        let (format, fields) = (FormatId::new(), Arc::new(Fields::default()));
        let payload = Payload::with_fields("{}", format, Arc::clone(&fields));
        let found = payload.clone().fields(format, |_| panic!("decoded already")).unwrap();
        assert!(Arc::ptr_eq(&found, &fields));
        let other = payload.fields(FormatId::new(), |_| Ok(Fields::default())).unwrap();
        assert!(!Arc::ptr_eq(&other, &fields), "another format decodes for itself");
    }
}

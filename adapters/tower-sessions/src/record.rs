//! Records of tower-sessions, taken apart and put together.

use std::collections::{BTreeMap, HashMap};

use session_core::codec::Json;
use session_core::{Codec as _, Error, ErrorKind, Fields, Timestamp};
use session_drop_in::Kept;
use time::OffsetDateTime;
use tower_sessions_core::session::{Id, Record};

/// What the store tells sessions apart by.
pub(crate) fn id_bytes(id: &Id) -> [u8; 16] {
    id.0.to_le_bytes()
}

/// The values, in the order of their names: one session has one form.
pub(crate) fn fields(record: &Record) -> Result<Fields, Error> {
    let mut texts = BTreeMap::new();
    for (name, value) in &record.data {
        texts.insert(name.as_str(), Json.encode(value)?);
    }
    Ok(texts.iter().map(|(name, text)| (*name, text.as_slice())).collect())
}

/// When the record ends. Fractions of a millisecond are dropped.
pub(crate) fn deadline(record: &Record) -> Timestamp {
    let millis = record.expiry_date.unix_timestamp_nanos().div_euclid(NANOS_PER_MILLI);
    // Their years have four digits: it fits.
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

pub(crate) fn record(id: Id, kept: &Kept) -> Result<Record, Error> {
    let mut data = HashMap::with_capacity(kept.fields.len());
    for (name, text) in kept.fields.iter() {
        // Their words may quote the value.
        let value = serde_json::from_slice(text).map_err(|_| {
            Error::new(ErrorKind::Corrupt, "a value is nested too deep, or no JSON")
        })?;
        data.insert(name.to_owned(), value);
    }
    Ok(Record { id, data, expiry_date: date(kept.deadline) })
}

/// The time, or the last that can be written as a date.
fn date(time: Timestamp) -> OffsetDateTime {
    let nanos = i128::from(time.as_millis()) * NANOS_PER_MILLI;
    OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .unwrap_or_else(|_| time::PrimitiveDateTime::MAX.assume_utc())
}

const NANOS_PER_MILLI: i128 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_the_same_to_the_millisecond() {
        for millis in [-1, 0, 1_780_000_000_123] {
            let time = Timestamp::from_millis(millis);
            let record = Record { id: Id(1), data: HashMap::new(), expiry_date: date(time) };
            assert_eq!(deadline(&record), time);
        }
        assert_eq!(date(Timestamp::MAX).year(), 9999);
        let last = Record { id: Id(1), data: HashMap::new(), expiry_date: date(Timestamp::MAX) };
        assert_eq!(deadline(&last).as_millis(), 253_402_300_799_999);
    }
}

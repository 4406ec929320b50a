//! The state of a session, taken apart and put together.

use std::collections::{BTreeMap, HashMap};

use serde_json::value::RawValue;
use session_core::{Error, ErrorKind, Fields, Timestamp};
use time::Duration;

/// Names, and values as JSON texts. They do not export their name for it.
pub(crate) type State = HashMap<String, String>;

/// The values, in the order of their names: one session has one form.
pub(crate) fn fields(state: &State) -> Result<Fields, Error> {
    let mut texts = BTreeMap::new();
    for (name, text) in state {
        let text: &RawValue = serde_json::from_str(text)
            .map_err(|_| Error::new(ErrorKind::Value, "a value of the session is no JSON"))?;
        texts.insert(name.as_str(), text.get());
    }
    Ok(texts.iter().map(|(name, text)| (*name, text.as_bytes())).collect())
}

pub(crate) fn state(fields: &Fields) -> Result<State, Error> {
    let entry = |(name, text): (&str, &[u8])| {
        let text = std::str::from_utf8(text)
            .map_err(|_| Error::new(ErrorKind::Corrupt, "a value of the session is no text"))?;
        Ok((name.to_owned(), text.to_owned()))
    };
    fields.iter().map(entry).collect()
}

/// When a session ends that has so much time to live. A negative one has ended.
pub(crate) fn deadline(now: Timestamp, ttl: Duration) -> Timestamp {
    now.plus(ttl.try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_as_they_are_written() {
        let given: State = [("a", "\"one\""), ("b", "[1, 2]"), ("ö\"\n", "null")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into();
        assert_eq!(state(&fields(&given).unwrap()).unwrap(), given);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "one", "1 2", "{", "\"\u{1}\""] {
            let state: State = [("a".to_owned(), text.to_owned())].into();
            assert_eq!(fields(&state).unwrap_err().kind(), ErrorKind::Value, "{text:?}");
        }
    }

    #[test]
    fn a_negative_time_to_live_is_none() {
        let now = Timestamp::from_millis(1_000);
        assert_eq!(deadline(now, Duration::seconds(2)), Timestamp::from_millis(3_000));
        assert_eq!(deadline(now, Duration::seconds(-2)), now);
        assert_eq!(deadline(now, Duration::MAX), Timestamp::MAX);
    }
}

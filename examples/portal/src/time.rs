//! Points in time, as they are written.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};
use session_kit::Timestamp;

/// RFC 3339 in UTC with milliseconds: `2026-01-02T03:04:05.678Z`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rfc3339(pub(crate) Timestamp);

impl Rfc3339 {
    /// To the minute, for a person.
    pub(crate) fn to_minutes(self) -> String {
        let text = self.to_string();
        format!("{} {} UTC", &text[..10], &text[11..16])
    }
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(0);
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        humantime::format_rfc3339_millis(time).fmt(f)
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_always_written() {
        let time = Rfc3339(Timestamp::from_millis(1_767_323_045_000));
        assert_eq!(time.to_string(), "2026-01-02T03:04:05.000Z");
        assert_eq!(time.to_minutes(), "2026-01-02 03:04 UTC");
    }
}

//! How long a session lives.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::Error;

/// An idle and an absolute timeout that can both be true at once.
///
/// The idle timeout ends a session nobody uses; the absolute one ends it however busy it is.
/// Both are enforced where the sessions are, not by the cookie (OWASP ASVS 5.0, 7.3.1 and 7.3.2).
///
/// ```
/// use std::time::Duration;
/// use session_core::Timeouts;
///
/// let hour = Duration::from_secs(3600);
/// assert!(Timeouts::new(hour / 2, hour * 12).is_ok());
/// assert!(Timeouts::new(hour * 12, hour).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timeouts {
    idle: Duration,
    absolute: Duration,
}

impl Timeouts {
    /// The longest timeout there is: ten years.
    pub const MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

    /// NIST SP 800-63B-4, assurance level 1: 30 days, used or not.
    pub const AAL1: Self = Self {
        idle: Duration::from_secs(30 * 24 * 3600),
        absolute: Duration::from_secs(30 * 24 * 3600),
    };

    /// NIST SP 800-63B-4, assurance level 2: 24 hours, 1 hour when idle.
    pub const AAL2: Self =
        Self { idle: Duration::from_secs(3600), absolute: Duration::from_secs(24 * 3600) };

    /// NIST SP 800-63B-4, assurance level 3: 12 hours, 15 minutes when idle.
    pub const AAL3: Self =
        Self { idle: Duration::from_secs(15 * 60), absolute: Duration::from_secs(12 * 3600) };

    /// Both timeouts, in whole milliseconds (a fraction is dropped).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](crate::ErrorKind::Misconfigured) if one is below a
    /// millisecond or above [`Timeouts::MAX`], or `idle` is longer than `absolute`.
    pub fn new(idle: Duration, absolute: Duration) -> Result<Self, Error> {
        let idle = whole_millis("idle_timeout", idle)?;
        let absolute = whole_millis("absolute_timeout", absolute)?;
        if idle > absolute {
            return Err(Error::misconfigured(
                "idle_timeout",
                format_args!("{idle:?}"),
                format!("it is longer than the absolute timeout of {absolute:?}"),
            ));
        }
        Ok(Self { idle, absolute })
    }

    /// How long a session lives without being used.
    pub const fn idle(self) -> Duration {
        self.idle
    }

    /// How long a session lives at most.
    pub const fn absolute(self) -> Duration {
        self.absolute
    }

    /// When a session used `now` ends if it is not used again.
    pub(crate) fn idle_deadline(self, now: Timestamp, absolute_deadline: Timestamp) -> Timestamp {
        now.plus(self.idle).min(absolute_deadline)
    }
}

/// 30 minutes idle, 12 hours in all.
impl Default for Timeouts {
    fn default() -> Self {
        Self { idle: Duration::from_secs(30 * 60), absolute: Duration::from_secs(12 * 3600) }
    }
}

fn whole_millis(field: &'static str, timeout: Duration) -> Result<Duration, Error> {
    let refuse =
        |reason: &str| Err(Error::misconfigured(field, format_args!("{timeout:?}"), reason));
    if timeout > Timeouts::MAX {
        return refuse("a timeout is ten years at most");
    }
    match timeout.as_millis() {
        0 => refuse("a timeout is one millisecond at least"),
        millis => Ok(Duration::from_millis(millis as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_pairs_name_the_field_and_the_reason() {
        let second = Duration::from_secs(1);
        for (idle, absolute, field) in [
            (Duration::ZERO, second, "idle_timeout"),
            (Duration::from_nanos(1), second, "idle_timeout"),
            (second, Duration::ZERO, "absolute_timeout"),
            (second, Duration::MAX, "absolute_timeout"),
            (second * 2, second, "idle_timeout"),
        ] {
            let error = Timeouts::new(idle, absolute).unwrap_err();
            assert_eq!(error.context("field"), Some(field), "{error}");
        }
    }

    #[test]
    fn the_absolute_deadline_bounds_the_idle_one() {
        let timeouts = Timeouts::new(Duration::from_secs(10), Duration::from_secs(60)).unwrap();
        let end = Timestamp::from_millis(60_000);
        let deadline = |now| timeouts.idle_deadline(Timestamp::from_millis(now), end).as_millis();
        assert_eq!(deadline(0), 10_000);
        assert_eq!(deadline(55_000), 60_000);
    }
}

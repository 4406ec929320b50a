//! The clock that leases run by.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A point in time of this machine since it was started. It goes on while the machine sleeps,
/// and nobody can set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BootTime(u64);

impl BootTime {
    /// Before every other time: a lease until then has run out.
    pub(crate) const NEVER: Self = Self(0);

    /// The time now.
    pub(crate) fn now() -> Self {
        Self(nanos())
    }

    pub(crate) fn plus(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    pub(crate) fn minus(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(nanos))
    }

    /// How long ago `earlier` was; zero if it is not in the past.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// `CLOCK_BOOTTIME` counts through suspend, `CLOCK_MONOTONIC` on Linux does not; elsewhere on Unix
/// the latter is the best there is.
#[cfg(unix)]
fn nanos() -> u64 {
    use rustix::time::{ClockId, clock_gettime};

    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia")))]
    const CLOCK: ClockId = ClockId::Monotonic;

    let now = clock_gettime(CLOCK);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

#[cfg(not(unix))]
fn nanos() -> u64 {
    use std::sync::LazyLock;
    use std::time::Instant;

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    // Later than `NEVER`.
    START.elapsed().as_nanos() as u64 + 1
}

/// A time that only moves forward.
#[derive(Debug)]
pub(crate) struct Latest(AtomicU64);

impl Latest {
    pub(crate) const fn never() -> Self {
        Self(AtomicU64::new(BootTime::NEVER.0))
    }

    /// Whoever sees the new time sees everything that was done before this call, too.
    pub(crate) fn extend_to(&self, time: BootTime) {
        self.0.fetch_max(time.0, Ordering::Release);
    }

    pub(crate) fn get(&self) -> BootTime {
        BootTime(self.0.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_and_a_lease_only_grows() {
        let (before, lease) = (BootTime::now(), Latest::never());
        assert!(before > BootTime::NEVER && lease.get() < before);
        let later = before.plus(Duration::from_secs(1));
        assert_eq!(later.since(before), Duration::from_secs(1));
        assert_eq!(before.since(later), Duration::ZERO);
        lease.extend_to(later);
        lease.extend_to(before);
        assert_eq!(lease.get(), later);
        assert!(BootTime::now() >= before);
    }
}

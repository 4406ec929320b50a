//! How to make a store.

use std::sync::Arc;
use std::time::Duration;

use session_core::{Clock, Error, SystemClock};

use crate::capacity::{Capacity, FIXED_BYTES, Used};
use crate::state::State;
use crate::store::MemoryStore;
use crate::sweeper::Sweeper;

/// Settings of a [`MemoryStore`].
///
/// ```
/// use session_memory::MemoryStore;
///
/// let store = MemoryStore::builder().max_sessions(10_000).build();
/// assert!(store.is_ok());
///
/// let error = MemoryStore::builder().max_sessions(0).build().unwrap_err();
/// assert_eq!(error.context("field"), Some("max_sessions"));
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is built before `build`"]
pub struct MemoryStoreBuilder {
    max_sessions: usize,
    max_bytes: usize,
    sweep_every: Option<Duration>,
    clock: Arc<dyn Clock>,
}

impl MemoryStoreBuilder {
    /// Shortest pause between two rounds of the sweeper: anything less would be a busy loop.
    const MIN_SWEEP: Duration = Duration::from_millis(1);
    /// Longest: beyond, the sweeper would be as good as off.
    const MAX_SWEEP: Duration = Duration::from_secs(24 * 3600);
    /// No address space holds more; a larger number is a slip of the keyboard.
    const MAX_BYTES: usize = isize::MAX as usize;

    /// How many sessions there is room for.
    ///
    /// # Default
    ///
    /// 1,000,000.
    pub fn max_sessions(mut self, max_sessions: usize) -> Self {
        self.max_sessions = max_sessions;
        self
    }

    /// How many bytes of memory there is room for.
    ///
    /// Counted for each session: payload, subject, device, and what keeping one takes besides,
    /// an estimate of about 330 bytes. A subject or device that several records share is counted
    /// for each. Not counted is the decoded form of the payload, which the first reader of a
    /// session leaves beside it: about 120 bytes, and 16 for each field.
    ///
    /// # Default
    ///
    /// 512 MiB.
    pub fn max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Frees the room of expired sessions in the background, with that pause between two rounds.
    ///
    /// The task is started by the first `create` inside a tokio runtime, which must have its
    /// time driver enabled; it ends with the last handle of the store. If its runtime ends
    /// before, the next `create` starts it again.
    ///
    /// # Default
    ///
    /// No sweeper. Nothing grows beyond its bounds without one, since every write frees a few
    /// expired sessions and a full store looks for more; it is for services that want the memory
    /// back while nobody writes.
    pub fn sweep_every(mut self, pause: Duration) -> Self {
        self.sweep_every = Some(pause);
        self
    }

    /// What decides whether a session has expired. It is read while a lock is held: it must be
    /// quick and must not call the store.
    ///
    /// # Default
    ///
    /// [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Makes the store.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](session_core::ErrorKind::Misconfigured), with `field` and
    /// `value` as context, if a bound leaves no room for a single session or is beyond what an
    /// address space can hold, or if the sweeper's pause is not between a millisecond and a day.
    pub fn build(self) -> Result<MemoryStore, Error> {
        self.check_bounds()?;
        self.check_sweep()?;
        Ok(self.into_store())
    }

    /// Makes the store of settings that are known to be right.
    pub(crate) fn into_store(self) -> MemoryStore {
        let Self { max_sessions, max_bytes, sweep_every, clock } = self;
        let capacity = Capacity::new(Used { sessions: max_sessions, bytes: max_bytes });
        let state = Arc::new(State::new(capacity, clock));
        MemoryStore::from_parts(state, sweep_every.map(Sweeper::new))
    }

    fn check_bounds(&self) -> Result<(), Error> {
        let (sessions, bytes) = (self.max_sessions, self.max_bytes);
        if sessions == 0 {
            let reason = "a store without room for a session refuses every log-in";
            return Err(Error::misconfigured("max_sessions", sessions, reason));
        }
        if sessions > Self::MAX_BYTES / FIXED_BYTES {
            let reason = "so many sessions fit in no address space";
            return Err(Error::misconfigured("max_sessions", sessions, reason));
        }
        if bytes < FIXED_BYTES {
            let reason = format!("an empty session takes {FIXED_BYTES} bytes already");
            return Err(Error::misconfigured("max_bytes", bytes, reason));
        }
        if bytes > Self::MAX_BYTES {
            let reason = "so many bytes fit in no address space";
            return Err(Error::misconfigured("max_bytes", bytes, reason));
        }
        Ok(())
    }

    fn check_sweep(&self) -> Result<(), Error> {
        match self.sweep_every {
            Some(pause) if !(Self::MIN_SWEEP..=Self::MAX_SWEEP).contains(&pause) => {
                let reason = "the pause between two rounds is a millisecond to a day";
                Err(Error::misconfigured("sweep_every", format_args!("{pause:?}"), reason))
            }
            _ => Ok(()),
        }
    }
}

impl Default for MemoryStoreBuilder {
    fn default() -> Self {
        Self {
            max_sessions: 1_000_000,
            max_bytes: 512 << 20,
            sweep_every: None,
            clock: Arc::new(SystemClock),
        }
    }
}

#[cfg(test)]
mod tests {
    use session_core::ErrorKind;

    use super::*;

    #[test]
    fn the_defaults_pass_their_own_checks() {
        assert!(MemoryStoreBuilder::default().build().is_ok());
    }

    #[test]
    fn impossible_settings_name_the_field() {
        let new = MemoryStoreBuilder::default;
        for (builder, field) in [
            (new().max_sessions(0), "max_sessions"),
            (new().max_sessions(usize::MAX), "max_sessions"),
            (new().max_bytes(0), "max_bytes"),
            (new().max_bytes(FIXED_BYTES - 1), "max_bytes"),
            (new().max_bytes(usize::MAX), "max_bytes"),
            (new().sweep_every(Duration::ZERO), "sweep_every"),
            (new().sweep_every(Duration::MAX), "sweep_every"),
        ] {
            let error = builder.build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            assert_eq!(error.context("field"), Some(field), "{error}");
            assert!(error.context("value").is_some());
        }
    }
}

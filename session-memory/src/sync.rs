//! The one way to take a lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whether or not somebody panicked while holding the lock.
///
/// Foreign code runs under a lock of this crate in two places: the clock is read before anything
/// is changed, and subscriptions are woken after everything is. A panic finds nothing half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The one way to take a lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whether or not somebody panicked while holding the lock.
///
/// The only foreign code that runs under a lock of this crate is the clock, and it is read
/// before anything is changed: a panic leaves everything as it was.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

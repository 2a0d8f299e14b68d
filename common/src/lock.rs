//! Locks that nothing poisons.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex under which nothing panics: what it guards is whole even if it says that it is poisoned.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

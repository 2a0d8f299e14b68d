//! The order in which every worker locks.

/// Sorted and without duplicates.
pub(crate) fn sorted<T: Ord>(mut ids: Vec<T>) -> Vec<T> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

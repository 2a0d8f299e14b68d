//! Pages of lists: how many entries, and where to go on.

use super::Rejection;

/// Entries on a page when the client does not say.
pub const PAGE_LIMIT_DEFAULT: u32 = 20;
/// Entries on a page at most.
pub const PAGE_LIMIT_MAX: u32 = 100;

/// Checks a page's limit and cursor.
///
/// # Errors
/// `INVALID_REQUEST` that names `limit` or `cursor`.
pub fn check_page(limit: Option<u32>, cursor: Option<&str>) -> Result<(), Rejection> {
    if limit.is_some_and(|limit| !(1..=PAGE_LIMIT_MAX).contains(&limit)) {
        return Err(Rejection::invalid_field("limit", &format!("must be 1 to {PAGE_LIMIT_MAX}")));
    }
    if cursor.is_some_and(|cursor| cursor_after(Some(cursor)).is_none()) {
        return Err(Rejection::invalid_field("cursor", "must be the nextCursor of the page before"));
    }
    Ok(())
}

/// The id that a cursor stands for.
pub fn cursor_after(cursor: Option<&str>) -> Option<i64> {
    cursor.and_then(|cursor| cursor.parse().ok()).filter(|id| *id >= 0)
}

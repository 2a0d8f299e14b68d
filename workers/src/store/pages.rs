//! Pages of what a user has.

use onsale_common::ids::UserId;

/// A page to read.
#[derive(Debug, Clone, Copy)]
pub struct PageAsked {
    /// Whose.
    pub user: UserId,
    /// The id of the last row of the page before; from the newest when absent.
    pub after: Option<i64>,
    /// Rows at most.
    pub limit: u32,
}

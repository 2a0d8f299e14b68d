//! Every concert in one answer, for designs that do not page.

use onsale_common::contract::catalog::{ConcertView, ListConcerts};
use onsale_common::contract::page::PAGE_LIMIT_MAX;

use crate::answer::Failure;
use crate::talk::Talk;

/// Reads all concerts, a page at a time.
pub(super) async fn every_concert(talk: &Talk<'_>, with_schedules: bool) -> Result<Vec<ConcertView>, Failure> {
    let mut concerts = Vec::new();
    let mut cursor = None;
    loop {
        let page = talk.command(ListConcerts { limit: Some(PAGE_LIMIT_MAX), cursor, with_schedules }).await?;
        concerts.extend(page.concerts);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(concerts);
        }
    }
}

//! Numbers of new reservations and payments, drawn from their sequences in blocks, so that a batch asks Postgres for some
//! only now and then. What is left of a block when the process ends is never used.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Mutex;

use sqlx::PgConnection;

use crate::failure::Failure;
use onsale_common::lock::lock;

/// How many numbers a value of a sequence stands for; the sequences increase by as much.
const BLOCK: i64 = 1000;

/// A source of numbers that no other process draws.
pub struct Numbers {
    next_block: &'static str,
    left: Mutex<VecDeque<Range<i64>>>,
}

impl Numbers {
    /// For new reservations.
    pub fn of_reservations() -> Self {
        Self { next_block: "SELECT nextval('reservation_numbers')", left: Mutex::default() }
    }

    /// For new payments.
    pub fn of_payments() -> Self {
        Self { next_block: "SELECT nextval('payment_numbers')", left: Mutex::default() }
    }

    /// Draws numbers, in ascending order as long as the sequence has not come round.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn draw(&self, db: &mut PgConnection, count: usize) -> Result<Vec<i64>, Failure> {
        let mut drawn = Vec::with_capacity(count);
        loop {
            self.take(count, &mut drawn);
            if drawn.len() == count {
                return Ok(drawn);
            }
            let first: i64 = sqlx::query_scalar(self.next_block).fetch_one(&mut *db).await?;
            self.blocks().push_back(first..first + BLOCK);
        }
    }

    fn take(&self, count: usize, drawn: &mut Vec<i64>) {
        let mut left = self.blocks();
        while let Some(block) = left.front_mut() {
            drawn.extend(block.take(count - drawn.len()));
            if !block.is_empty() {
                break;
            }
            left.pop_front();
        }
    }

    fn blocks(&self) -> std::sync::MutexGuard<'_, VecDeque<Range<i64>>> {
        lock(&self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_used_up_one_after_another() {
        let numbers = Numbers::of_payments();
        numbers.blocks().extend([5..8, 10..13]);
        let mut drawn = Vec::new();
        numbers.take(4, &mut drawn);
        assert_eq!(drawn, [5, 6, 7, 10]);
        numbers.take(4, &mut drawn);
        assert_eq!(drawn.len(), 4, "these were enough");
        drawn.clear();
        numbers.take(9, &mut drawn);
        assert_eq!(drawn, [11, 12]);
        assert!(numbers.blocks().is_empty());
    }
}

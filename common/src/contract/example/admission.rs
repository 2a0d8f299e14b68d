//! Examples of the admission lane.

use super::{Example, SCHEDULE, TOKEN, USER, at};
use crate::contract::admission::{GetToken, IssueToken, LeaveQueue, TokenStatus, TokenView};
use crate::contract::reply::Nothing;

impl Example for IssueToken {
    fn example() -> Self {
        Self { user_id: USER, schedule_id: SCHEDULE }
    }
}

impl Example for GetToken {
    fn example() -> Self {
        Self { token: Some(TOKEN) }
    }
}

impl Example for LeaveQueue {
    fn example() -> Self {
        Self { token: Some(TOKEN) }
    }
}

/// The room is full, and six came before.
impl Example for TokenView {
    fn example() -> Self {
        Self {
            token: TOKEN,
            queue_position: 7,
            estimated_wait_time_minutes: 1,
            status: TokenStatus::Waiting,
            issued_at: at(0),
            active_at: None,
            expires_at: at(12 * 60),
        }
    }
}

impl Example for Nothing {
    fn example() -> Self {
        Self {}
    }
}

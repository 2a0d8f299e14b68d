//! Who asks: a user, and the schedules that are open to that user.

use onsale_common::contract::{Code, Rejection};
use onsale_common::ids::{ScheduleId, UserId};

use super::token::Token;

/// Who asks, once that is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user: UserId,
    /// The room of the user's token; 0 opens every schedule.
    room: ScheduleId,
}

impl Caller {
    /// Somebody without a token, whom the sender of the command vouches for. Such a caller is trusted as everything on the
    /// broker is, and may look into every schedule.
    pub const fn vouched_for(user: UserId) -> Self {
        Self { user, room: ScheduleId::SERVICE_WIDE }
    }

    /// Whether it is this user.
    ///
    /// # Errors
    /// `FORBIDDEN` when it is another.
    pub fn demand_user(self, user: UserId) -> Result<(), Rejection> {
        if self.user == user { Ok(()) } else { Err(Code::Forbidden.into()) }
    }

    /// Whether a schedule is open to it.
    ///
    /// # Errors
    /// `WRONG_SCHEDULE` when the token is another's.
    pub fn demand_schedule(self, schedule: ScheduleId) -> Result<(), Rejection> {
        if self.room == schedule || self.room == ScheduleId::SERVICE_WIDE {
            Ok(())
        } else {
            Err(Code::WrongSchedule.into())
        }
    }
}

impl From<&Token> for Caller {
    fn from(token: &Token) -> Self {
        Self { user: token.user, room: token.schedule }
    }
}

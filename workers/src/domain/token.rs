//! Queue tokens: who may ask for what.

use std::time::Duration;

use onsale_common::contract::admission::TokenStatus;
use onsale_common::contract::{Code, Rejection};
use onsale_common::ids::{QueueToken, ScheduleId, UserId};
use onsale_common::time::Time;

/// A queue token as it is stored.
#[derive(Debug, Clone)]
pub struct Token {
    /// The secret.
    pub token: QueueToken,
    /// The room that it is of; 0 is good for every schedule.
    pub schedule: ScheduleId,
    /// Whose it is.
    pub user: UserId,
    /// Its place in the order of arrival.
    pub ordinal: i64,
    /// Its status when it was last written.
    pub status: TokenStatus,
    /// When it joined.
    pub issued_at: Time,
    /// When it was admitted.
    pub active_at: Option<Time>,
    /// When it runs out, holds aside.
    pub expires_at: Time,
    /// Until when a live hold keeps it alive.
    pub hold_until: Option<Time>,
}

/// What a command asks of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Waiting or active.
    Live,
    /// Admitted.
    Active,
}

impl Token {
    /// When it runs out: a live hold keeps an active token alive until the hold ends.
    pub fn ends_at(&self) -> Time {
        self.hold_until.map_or(self.expires_at, |until| until.max(self.expires_at))
    }

    /// Its status now: time runs out before anybody writes it down.
    pub fn status_at(&self, now: Time) -> TokenStatus {
        match self.status {
            TokenStatus::Waiting | TokenStatus::Active if self.ends_at() <= now => TokenStatus::Expired,
            status => status,
        }
    }

    /// Whether it has the standing that a command needs.
    ///
    /// # Errors
    /// `TOKEN_EXPIRED` when it is over or used, `TOKEN_NOT_ACTIVE` when it waits.
    pub fn demand(&self, need: Need, now: Time) -> Result<(), Rejection> {
        match (self.status_at(now), need) {
            (TokenStatus::Active, _) | (TokenStatus::Waiting, Need::Live) => Ok(()),
            (TokenStatus::Waiting, Need::Active) => Err(Code::TokenNotActive.into()),
            (TokenStatus::Expired | TokenStatus::Used, _) => Err(Code::TokenExpired.into()),
        }
    }

    /// Whether it is the token of the user whom its sender vouches for, if there is one.
    ///
    /// # Errors
    /// `FORBIDDEN` when it is another's.
    pub fn demand_vouched(&self, vouched: Option<UserId>) -> Result<(), Rejection> {
        if vouched.is_none_or(|user| user == self.user) { Ok(()) } else { Err(Code::Forbidden.into()) }
    }
}

/// How long it takes a waiting token to be admitted at a rate, in whole minutes, rounded up.
pub fn minutes_to_wait(position: u64, admissions_per_s: f64) -> u64 {
    if position == 0 {
        return 0;
    }
    // A day is as good as for ever: the token runs out before.
    const DAY: Duration = Duration::from_secs(86_400);
    let wait_s = (position as f64 / admissions_per_s).min(DAY.as_secs_f64());
    (wait_s / 60.0).ceil().max(1.0) as u64
}

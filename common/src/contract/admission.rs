//! Commands and replies of the admission lane: the waiting room.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::command::{CommandData, CommandName};
use super::reply::Nothing;
use crate::ids::{QueueToken, ScheduleId, UserId};
use crate::time::Time;

/// Join the waiting room of a schedule (0: the service-wide one).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssueToken {
    /// Who joins.
    pub user_id: UserId,
    /// Which room.
    pub schedule_id: ScheduleId,
}

impl CommandData for IssueToken {
    const NAME: CommandName = CommandName::IssueToken;
    type Reply = TokenView;
    fn partition_key(&self, _: Option<QueueToken>) -> u64 {
        self.schedule_id.get().unsigned_abs()
    }
}

macro_rules! token_command {
    ($(#[$doc:meta])* $name:ident, $reply:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// The token of the path; a direct producer may leave it to the envelope's `token`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub token: Option<QueueToken>,
        }

        impl CommandData for $name {
            const NAME: CommandName = CommandName::$name;
            type Reply = $reply;
            fn partition_key(&self, token: Option<QueueToken>) -> u64 {
                self.token.or(token).map_or(0, |token| token.schedule().get().unsigned_abs())
            }
        }
    };
}

token_command!(
    /// Read the place and state of a token.
    GetToken, TokenView
);
token_command!(
    /// Give back the place or the slot.
    LeaveQueue, Nothing
);

/// Life of a token: waiting, active, then expired or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum TokenStatus {
    /// In the waiting room.
    Waiting,
    /// Admitted: may hold and pay.
    Active,
    /// Ran out of time, or was given back.
    Expired,
    /// Its holds are paid.
    Used,
}

/// A queue token as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenView {
    /// The token: keep it secret.
    pub token: QueueToken,
    /// How many are served up to and including this one; 0 once active.
    pub queue_position: u64,
    /// The wait to expect at the admission rate measured of late, in whole minutes, rounded up; 0 once active.
    pub estimated_wait_time_minutes: u64,
    /// Where it stands.
    pub status: TokenStatus,
    /// When it joined.
    pub issued_at: Time,
    /// When it was admitted.
    pub active_at: Option<Time>,
    /// When it runs out, if nothing happens before.
    pub expires_at: Time,
}

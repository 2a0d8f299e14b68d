//! The waiting room.

use onsale_common::contract::admission::{GetToken, IssueToken, LeaveQueue};
use onsale_common::contract::{Code, Command, Example, Rejection};
use onsale_common::ids::{ScheduleId, UserId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::ask::{Ask, real_schedule};
use crate::caller::Demand;
use crate::dialect::Group;
use crate::endpoint::Endpoint;

pub(super) const GROUP: Group = Group {
    name: "The waiting room",
    endpoints: &[
        Endpoint::post("/queue/tokens", Demand::LOGIN).asks::<IssueToken>(issue).takes::<Join>().fails(&[
            Code::UserNotFound,
            Code::ScheduleNotFound,
            Code::TokenExists,
        ]),
        Endpoint::get("/queue/tokens/{token}", Demand::NOTHING).asks::<GetToken>(get).fails(&[Code::TokenNotFound]),
        Endpoint::delete("/queue/tokens/{token}", Demand::NOTHING)
            .asks::<LeaveQueue>(leave)
            .fails(&[Code::TokenNotFound]),
    ],
};

/// Join the waiting room of a schedule.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct Join {
    /// Who joins.
    user_id: UserId,
    /// Which room. The service-wide one is joined through the dialects that have no other.
    #[schemars(range(min = 1))]
    schedule_id: ScheduleId,
}

impl Example for Join {
    fn example() -> Self {
        let IssueToken { user_id, schedule_id } = Example::example();
        Self { user_id, schedule_id }
    }
}

fn issue(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    let data: IssueToken = ask.body()?;
    real_schedule(data.schedule_id)?;
    if ask.caller.login.is_some_and(|login| login != data.user_id) {
        return Err(Rejection::saying(Code::Forbidden, "The login is another user's."));
    }
    Ok(data.into())
}

fn get(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    Ok(GetToken { token: Some(ask.path_token()?) }.into())
}

fn leave(ask: &mut Ask<'_>) -> Result<Command, Rejection> {
    Ok(LeaveQueue { token: Some(ask.path_token()?) }.into())
}

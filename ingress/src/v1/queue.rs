//! The waiting room.

use onsale_common::contract::admission::{GetToken, IssueToken, LeaveQueue};
use onsale_common::contract::{Code, Command, Rejection};

use crate::ask::{Ask, real_schedule};
use crate::caller::Demand;
use crate::dialect::Group;
use crate::endpoint::Endpoint;

pub(super) const GROUP: Group = Group {
    name: "The waiting room",
    endpoints: &[
        Endpoint::post("/queue/tokens", Demand::LOGIN).asks::<IssueToken>(issue).fails(&[
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

//! The waiting room.

use onsale_common::contract::admission::{GetToken, IssueToken, LeaveQueue};
use onsale_common::contract::{Code, Command, Rejection};

use crate::caller::Demand;
use crate::endpoint::{Ask, Endpoint, real_schedule};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::post("/queue/tokens", Demand::Login, issue),
    Endpoint::get("/queue/tokens/{token}", Demand::Nothing, get),
    Endpoint::delete("/queue/tokens/{token}", Demand::Nothing, leave),
];

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

//! Who logged in.

use onsale_common::contract::Code;
use onsale_common::contract::account::{FindUser, UserView};
use uuid::Uuid;

use crate::answer::Failure;
use crate::talk::Talk;

/// The user who logged in. A request that names its user as well (`user_id`) must name this one.
///
/// # Errors
/// `LOGIN_REQUIRED`, `FORBIDDEN`, and as [`Talk::command`].
pub(super) async fn who_logged_in(talk: &Talk<'_>, claimed: Option<Uuid>) -> Result<UserView, Failure> {
    let login = talk.ask.caller.login.ok_or(Code::LoginRequired)?;
    let user = talk.command(FindUser { user_id: Some(login), ..FindUser::default() }).await?;
    if claimed.is_some_and(|claimed| claimed != user.uuid) {
        return Err(Code::Forbidden.into());
    }
    Ok(user)
}

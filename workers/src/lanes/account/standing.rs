//! Whether callers may ask about the user that they name.

use onsale_common::contract::{Code, Command, Envelope, Rejection};
use onsale_common::ids::UserId;
use onsale_common::time::Time;
use sqlx::PgConnection;

use crate::failure::Failure;
use crate::lanes::callers::Callers;
use crate::sorted::sorted;
use crate::store;

/// The user that a command is about.
pub(super) fn user_asked(command: &Command) -> Option<UserId> {
    match command {
        Command::ChargeBalance(data) => Some(data.user_id),
        Command::UseBalance(data) => Some(data.user_id),
        Command::GetBalance(data) => Some(data.user_id),
        Command::ListLedger(data) => Some(data.user_id),
        Command::ListReservations(data) => Some(data.user_id),
        _ => None,
    }
}

/// For each command the user that it is about, where that is the caller. A user that does not exist is not found by
/// anybody; only then is another's forbidden. A token's user exists; one that somebody vouches for may not.
pub(super) async fn of_callers<'a>(
    db: &mut PgConnection,
    callers: &Callers,
    commands: impl Iterator<Item = &'a Envelope> + Clone,
    now: Time,
) -> Result<Vec<Result<UserId, Rejection>>, Failure> {
    /// Whom a command is about, whether that is the caller, and whether the caller is known to exist.
    struct Standing {
        asked: UserId,
        is_caller: bool,
        has_token: bool,
    }
    let standing = |command: &Envelope| -> Result<Standing, Rejection> {
        let caller = callers.live(command, now)?;
        let asked = user_asked(&command.command).ok_or(Code::UserNotFound)?;
        Ok(Standing { asked, is_caller: caller.user == asked, has_token: command.token.is_some() })
    };
    let standings: Vec<_> = commands.map(standing).collect();
    let unknown = standings.iter().flatten().filter(|standing| !(standing.is_caller && standing.has_token));
    let unknown = sorted(unknown.map(|standing| standing.asked.get()).collect());
    let existing = sorted(store::users::existing(db, &unknown).await?);
    let decide = |standing: Standing| {
        let exists = || existing.binary_search(&standing.asked.get()).is_ok();
        match standing {
            Standing { is_caller: true, has_token: true, asked } => Ok(asked),
            Standing { is_caller: true, asked, .. } if exists() => Ok(asked),
            _ if exists() => Err(Code::Forbidden.into()),
            _ => Err(Code::UserNotFound.into()),
        }
    };
    Ok(standings.into_iter().map(|standing| standing.and_then(decide)).collect())
}

//! Whether callers may ask about the user that they name.

use onsale_common::contract::{Code, Command, Envelope, Rejection};
use onsale_common::ids::UserId;
use onsale_common::time::Time;
use sqlx::PgConnection;

use crate::failure::Failure;
use crate::lanes::callers::Callers;
use crate::lanes::reservation::sorted;
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

/// For each command the user that it is about, where the caller's token is live and of that user. A user that does not
/// exist is not found by anybody; only then is another's forbidden.
pub(super) async fn of_callers<'a>(
    db: &mut PgConnection,
    callers: &Callers,
    commands: impl Iterator<Item = &'a Envelope> + Clone,
    now: Time,
) -> Result<Vec<Result<UserId, Rejection>>, Failure> {
    let standing = |command: &Envelope| -> Result<(UserId, UserId), Rejection> {
        let caller = callers.live(command, now)?;
        let asked = user_asked(&command.command).ok_or(Code::UserNotFound)?;
        Ok((caller.user, asked))
    };
    let pairs: Vec<_> = commands.map(standing).collect();
    let others = pairs.iter().flatten().filter(|(caller, asked)| caller != asked).map(|(_, asked)| asked.get());
    let others = sorted(store::users::existing(db, &sorted(others.collect())).await?);
    let decide = |(caller, asked): (UserId, UserId)| match caller == asked {
        true => Ok(asked),
        false if others.binary_search(&asked.get()).is_ok() => Err(Code::Forbidden.into()),
        false => Err(Code::UserNotFound.into()),
    };
    Ok(pairs.into_iter().map(|pair| pair.and_then(decide)).collect())
}

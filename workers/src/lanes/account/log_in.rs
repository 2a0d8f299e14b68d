//! Logging in. It takes as long and answers the same whether the address is unknown or the password wrong.

use std::sync::Arc;

use futures_util::future::join_all;
use onsale_common::contract::account::{LogIn, LoginView, TokenType};
use onsale_common::contract::{Code, Command, Envelope, Outcome, Rejection};
use onsale_common::ids::UserId;
use onsale_common::time::Time;

use super::{AccountLane, password};
use crate::failure::Failure;
use crate::store;
use crate::store::users::Credentials;

/// Settles logins.
pub(super) async fn settle(lane: &AccountLane, commands: &[Arc<Envelope>]) -> Result<Vec<Outcome>, Failure> {
    let emails: Vec<&str> = commands.iter().map(|command| asked(command).map_or("", |login| &login.email)).collect();
    // The connection goes back before the hashing, which is slow.
    let mut db = lane.pool.acquire().await?;
    let found = store::users::credentials(&mut db, &emails).await?;
    db.give_back();
    let log_in = async |(command, found): (&Arc<Envelope>, Option<Credentials>)| {
        check(command, found).await.and_then(|user| access(lane, user)).into()
    };
    Ok(join_all(commands.iter().zip(found).map(log_in)).await)
}

fn asked(command: &Envelope) -> Option<&LogIn> {
    match &command.command {
        Command::LogIn(login) => Some(login),
        _ => None,
    }
}

async fn check(command: &Envelope, found: Option<Credentials>) -> Result<UserId, Rejection> {
    let password = asked(command).ok_or(Code::Internal)?.password.clone();
    let (user, hash) = match found {
        Some(Credentials { user, password_hash }) => (Some(user), password_hash),
        None => (None, password::NOBODYS.to_owned()),
    };
    let matches = password::in_turn(command.deadline, move || password::verify(&password, &hash)).await?;
    user.filter(|_| matches).ok_or_else(|| Code::LoginFailed.into())
}

fn access(lane: &AccountLane, user_id: UserId) -> Result<Outcome, Rejection> {
    let access_token = lane.logins.sign(user_id, Time::now()).map_err(|error| {
        tracing::error!(%error, "an access token could not be signed");
        Rejection::of(Code::Internal)
    })?;
    let expires_in = lane.logins.ttl().as_secs();
    Ok(Outcome::done(&LoginView { access_token, token_type: TokenType::Bearer, expires_in, user_id }))
}

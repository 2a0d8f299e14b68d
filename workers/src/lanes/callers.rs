//! Who asks: the queue tokens of a batch's commands.

use std::collections::HashMap;

use onsale_common::contract::{Code, Command, Envelope, Rejection};
use onsale_common::ids::{QueueToken, ScheduleId, UserId};
use onsale_common::time::Time;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::caller::Caller;
use crate::domain::token::{Need, Token};
use crate::failure::Failure;
use crate::lanes::reservation::sorted;
use crate::store;

/// The loaded tokens of a batch.
#[derive(Debug, Default)]
pub(super) struct Callers(HashMap<QueueToken, Token>);

impl Callers {
    /// Reads the tokens of some commands.
    pub(super) async fn read<'a>(
        db: &mut PgConnection,
        commands: impl Iterator<Item = &'a Envelope>,
    ) -> Result<Self, Failure> {
        let tokens = distinct(commands);
        if tokens.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self::from(store::tokens::read(db, &tokens).await?))
    }

    /// Reads and locks the tokens of some commands.
    pub(super) async fn lock<'a>(
        db: &mut PgConnection,
        commands: impl Iterator<Item = &'a Envelope>,
    ) -> Result<Self, Failure> {
        let tokens = distinct(commands);
        if tokens.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self::from(store::tokens::lock(db, &tokens).await?))
    }

    /// Reads and locks the tokens of some commands and, for holds, every other live token that opens the schedule to the
    /// user: together they are the user's lock within the schedule. Of two holds with different tokens at least one sees
    /// the other's token, which was there before its own, and waits for it.
    pub(super) async fn lock_users<'a>(
        db: &mut PgConnection,
        commands: impl Iterator<Item = &'a Envelope> + Clone,
    ) -> Result<Self, Failure> {
        let other = |command: &Envelope| match (&command.command, command.token?.schedule()) {
            (Command::HoldSeats(hold), ScheduleId::SERVICE_WIDE) => Some((hold.user_id, hold.schedule_id)),
            (Command::HoldSeats(hold), _) => Some((hold.user_id, ScheduleId::SERVICE_WIDE)),
            _ => None,
        };
        let others = sorted(commands.clone().filter_map(other).collect());
        let tokens = distinct(commands);
        if tokens.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self::from(store::tokens::lock_with_others(db, &tokens, &others).await?))
    }

    /// The token that a command came with, in whatever state.
    pub(super) fn of(&self, command: &Envelope) -> Result<&Token, Rejection> {
        let token = command.token.ok_or(Code::TokenMissing)?;
        let token = self.0.get(&token).ok_or(Code::TokenInvalid)?;
        token.demand_vouched(command.caller)?;
        Ok(token)
    }

    /// Who asks: the user of a live token or, without a token, the one whom the sender vouches for.
    pub(super) fn live(&self, command: &Envelope, now: Time) -> Result<Caller, Rejection> {
        if let (None, Some(user)) = (command.token, command.caller) {
            return Ok(Caller::vouched_for(user));
        }
        let token = self.of(command)?;
        token.demand(Need::Live, now)?;
        Ok(token.into())
    }

    /// The user who asks, whatever the state of the token; nobody without a proof.
    pub(super) fn user(&self, command: &Envelope) -> Option<UserId> {
        match command.token {
            Some(_) => self.of(command).ok().map(|token| token.user),
            None => command.caller,
        }
    }

    /// Whether a token was loaded.
    pub(super) fn has(&self, token: QueueToken) -> bool {
        self.0.contains_key(&token)
    }
}

impl From<Vec<Token>> for Callers {
    fn from(tokens: Vec<Token>) -> Self {
        Self(tokens.into_iter().map(|token| (token.token, token)).collect())
    }
}

fn distinct<'a>(commands: impl Iterator<Item = &'a Envelope>) -> Vec<Uuid> {
    sorted(commands.filter_map(|command| command.token).map(QueueToken::uuid).collect())
}

//! Who asks: the queue tokens of a batch's commands.

use std::collections::HashMap;

use onsale_common::contract::{Code, Envelope, Rejection};
use onsale_common::ids::{QueueToken, UserId};
use onsale_common::time::Time;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::caller::Caller;
use crate::domain::token::{Need, Token};
use crate::failure::Failure;
use crate::sorted::sorted;
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

//! The account lane: sign-up and login, balances and what explains them.

mod balance;
mod log_in;
pub mod password;
mod read;
mod sign_up;
mod standing;

use std::collections::HashMap;
use std::sync::Arc;

use onsale_common::contract::{Command, Envelope, Lane, Outcome};
use onsale_common::login::Logins;
use uuid::Uuid;

use crate::config::Limits;
use crate::failure::Failure;
use crate::runtime::LaneWorker;
use crate::store;
use crate::store::pool::Pool;

/// What the lane needs.
pub struct AccountLane {
    /// The truth.
    pub pool: Pool,
    /// Lifetimes and limits.
    pub limits: Limits,
    /// What signs access tokens.
    pub logins: Logins,
}

/// What is settled together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Change,
    Read,
    SignUp,
    LogIn,
}

impl Work {
    /// What reads comes after what changes; what hashes passwords, which is slow, comes last.
    const IN_ORDER: [Self; 4] = [Self::Change, Self::Read, Self::SignUp, Self::LogIn];

    fn of(command: &Command) -> Self {
        match command {
            Command::ChargeBalance(_) | Command::UseBalance(_) => Self::Change,
            Command::CreateUser(_) => Self::SignUp,
            Command::LogIn(_) => Self::LogIn,
            _ => Self::Read,
        }
    }
}

impl LaneWorker for AccountLane {
    const LANE: Lane = Lane::Account;

    async fn settle(self: Arc<Self>, commands: Vec<Arc<Envelope>>) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; commands.len()];
        for work in Work::IN_ORDER {
            let indices: Vec<usize> = (0..commands.len()).filter(|n| Work::of(&commands[*n].command) == work).collect();
            if indices.is_empty() {
                continue;
            }
            let some: Vec<_> = indices.iter().map(|n| commands[*n].clone()).collect();
            let settled = match work {
                Work::Change => balance::change(&self, some).await?,
                Work::Read => read::settle(&self, &some).await?,
                Work::SignUp => sign_up::settle(&self, some).await?,
                Work::LogIn => log_in::settle(&self, &some).await?,
            };
            for (n, outcome) in indices.into_iter().zip(settled) {
                outcomes[n] = Some(outcome);
            }
        }
        Ok(outcomes.into_iter().map(|outcome| outcome.expect("every command is some work")).collect())
    }

    async fn kept(&self, commands: &[Uuid]) -> Result<HashMap<Uuid, Outcome>, Failure> {
        store::outcomes::kept(&self.pool, commands).await
    }
}

//! Charging and using balances.

use std::collections::HashMap;
use std::sync::Arc;

use onsale_common::contract::account::{ChargeView, EntryKind, UseView};
use onsale_common::contract::event::{BalanceCharged, BalanceUsed};
use onsale_common::contract::{Code, Command, Envelope, Outcome, Rejection};
use onsale_common::ids::UserId;
use onsale_common::time::Time;

use super::AccountLane;
use super::standing::{self, user_asked};
use crate::config::Limits;
use crate::domain::account::{Account, Entry};
use crate::failure::Failure;
use crate::lanes::batch::Batch;
use crate::lanes::callers::Callers;
use crate::sorted::sorted;
use crate::store;
use crate::store::outbox::NewEvent;

/// Settles charges and uses in one transaction. It locks accounts only: a token that ends meanwhile was live when its
/// user asked.
pub(super) async fn change(lane: &AccountLane, commands: Vec<Arc<Envelope>>) -> Result<Vec<Outcome>, Failure> {
    let mut batch = Batch::begin(&lane.pool, commands).await?;
    let open = batch.open();
    let callers = Callers::read(batch.db(), open.iter().map(|(_, command)| &**command)).await?;
    let proven = |command: &Envelope| {
        let asked = user_asked(&command.command);
        callers.user(command).filter(|user| Some(*user) == asked)
    };
    batch.replay_keys(proven).await?;
    let (now, open) = (batch.now(), batch.open());
    let standings = standing::of_callers(batch.db(), &callers, open.iter().map(|(_, command)| &**command), now).await?;
    let users = standings.iter().flatten().map(|user| user.get()).collect();
    let accounts = store::accounts::lock(batch.db(), &sorted(users)).await?;
    let mut accounts: HashMap<UserId, Account> = accounts.into_iter().map(|account| (account.user, account)).collect();

    let (mut settled, mut entries) = (Vec::new(), Vec::new());
    for ((n, command), standing) in open.iter().zip(standings) {
        match standing.and_then(|user| decide(&command.command, user, &mut accounts, &lane.limits, now)) {
            Ok(entry) => {
                settled.push(*n);
                entries.push(entry);
            }
            Err(rejection) => batch.settle(*n, Err(rejection)),
        }
    }
    let changed = sorted(entries.iter().map(|entry| entry.user).collect::<Vec<_>>());
    let changed: Vec<&Account> = changed.iter().filter_map(|user| accounts.get(user)).collect();
    let ids = store::accounts::store(batch.db(), &changed, &entries, now).await?;
    for ((n, entry), id) in settled.into_iter().zip(&entries).zip(ids) {
        batch.event(event(entry, id));
        batch.settle(n, Ok(outcome(entry, id, now)));
    }
    batch.commit().await
}

/// Decides one command; the next one sees the account as this one left it.
fn decide(
    command: &Command,
    user: UserId,
    accounts: &mut HashMap<UserId, Account>,
    limits: &Limits,
    now: Time,
) -> Result<Entry, Rejection> {
    let account = accounts.get_mut(&user).ok_or(Code::UserNotFound)?;
    match command {
        Command::ChargeBalance(charge) => account.charge(charge.amount, limits.charge_max, limits.balance_max, now),
        Command::UseBalance(used) => account.use_balance(used.amount, now),
        _ => Err(Code::Internal.into()),
    }
}

fn outcome(entry: &Entry, transaction_id: i64, now: Time) -> Outcome {
    let (user_id, amount, current_balance) = (entry.user, entry.amount.abs(), entry.balance_after);
    if entry.kind == EntryKind::Charge {
        Outcome::done(&ChargeView { user_id, charged_amount: amount, current_balance, transaction_id, charged_at: now })
    } else {
        Outcome::done(&UseView { user_id, used_amount: amount, current_balance, transaction_id, used_at: now })
    }
}

fn event(entry: &Entry, transaction_id: i64) -> NewEvent {
    let (user_id, amount, current_balance) = (entry.user, entry.amount.abs(), entry.balance_after);
    if entry.kind == EntryKind::Charge {
        NewEvent::of(&BalanceCharged { user_id, amount, current_balance, transaction_id })
    } else {
        NewEvent::of(&BalanceUsed { user_id, amount, current_balance, transaction_id })
    }
}

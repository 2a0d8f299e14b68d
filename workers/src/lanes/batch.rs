//! One batch of commands with effects in one transaction: what was settled before is answered as it was then, and what
//! is settled now is kept with its effects.
//!
//! Outcomes are looked up first and inserted last, so that a command costs one insert. Should two workers settle the same
//! command at the same time, the second insert finds the first: that worker rolls back and begins again.

use std::collections::HashMap;
use std::sync::Arc;

use onsale_common::contract::{Code, Envelope, Outcome, Rejection};
use onsale_common::ids::UserId;
use onsale_common::time::Time;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::failure::Failure;
use crate::store;
use crate::store::outbox::NewEvent;
use crate::store::outcomes::Rows;
use crate::store::pool::{Pool, Transaction};
use crate::store::questions::{Answers, Questions};

/// What is known of one command.
#[derive(Debug, Clone)]
enum State {
    /// To be settled.
    Open,
    /// The same id stands earlier in the batch.
    SameAs(usize),
    /// Settled before, under this id or this key.
    Known(Outcome),
    /// Settled now.
    Settled(Outcome),
}

/// A transaction over a batch of commands.
pub(super) struct Batch {
    transaction: Transaction,
    commands: Vec<Arc<Envelope>>,
    states: Vec<State>,
    key_owners: Vec<Option<UserId>>,
    events: Vec<NewEvent>,
}

impl Batch {
    /// Begins the transaction and finds what was settled before.
    pub(super) async fn begin(pool: &Pool, commands: Vec<Arc<Envelope>>) -> Result<Self, Failure> {
        Ok(Self::begin_and_ask(pool, commands, |_| ()).await?.0)
    }

    /// The same, and asks in the same message for what the commands look at, whether or not they are settled already.
    pub(super) async fn begin_and_ask(
        pool: &Pool,
        commands: Vec<Arc<Envelope>>,
        ask_more: impl FnOnce(&mut Questions),
    ) -> Result<(Self, Answers), Failure> {
        let mut first_with: HashMap<Uuid, usize> = HashMap::with_capacity(commands.len());
        let mut states = Vec::with_capacity(commands.len());
        for (n, command) in commands.iter().enumerate() {
            let first = *first_with.entry(command.id).or_insert(n);
            states.push(if first == n { State::Open } else { State::SameAs(first) });
        }
        let ids: Vec<Uuid> = first_with.keys().copied().collect();
        let (transaction, known, answers) = store::outcomes::begin(pool, &ids, ask_more).await?;
        for (id, outcome) in known {
            states[first_with[&id]] = State::Known(outcome);
        }
        // Redis was asked before, and a connection waited for: what came too late meanwhile is not done.
        let clock = Time::now();
        for (state, command) in states.iter_mut().zip(&commands) {
            if matches!(state, State::Open) && command.deadline <= clock {
                *state = State::Known(Outcome::rejected(&Rejection::of(Code::DeadlineExceeded)));
            }
        }
        let key_owners = vec![None; commands.len()];
        Ok((Self { transaction, commands, states, key_owners, events: Vec::new() }, answers))
    }

    /// The clock of Postgres as the batch began.
    pub(super) fn now(&self) -> Time {
        self.transaction.began_at()
    }

    /// The transaction.
    pub(super) fn db(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// The commands that are still to be settled, in their order.
    pub(super) fn open(&self) -> Vec<(usize, Arc<Envelope>)> {
        let is_open = |n: &usize| matches!(self.states[*n], State::Open);
        (0..self.commands.len()).filter(is_open).map(|n| (n, self.commands[n].clone())).collect()
    }

    /// Answers those open commands whose idempotency key had its effect already. `owner` says whose key a command's is,
    /// once its token has proved that; keys of others are not looked at.
    pub(super) async fn replay_keys(&mut self, owner: impl Fn(&Envelope) -> Option<UserId>) -> Result<(), Failure> {
        let mut keyed: HashMap<(UserId, String), Vec<usize>> = HashMap::new();
        for (n, command) in self.open() {
            if let (Some(key), Some(user)) = (&command.idempotency_key, owner(&command)) {
                self.key_owners[n] = Some(user);
                keyed.entry((user, key.clone())).or_default().push(n);
            }
        }
        if keyed.is_empty() {
            return Ok(());
        }
        let wanted: Vec<(UserId, &str)> = keyed.keys().map(|(user, key)| (*user, key.as_str())).collect();
        let used = store::outcomes::used_keys(&mut self.transaction, &wanted).await?;
        for used in used {
            for n in keyed.remove(&(used.user, used.key)).unwrap_or_default() {
                self.states[n] = State::Known(if used.request_hash == request_hash(&self.commands[n]) {
                    used.outcome.clone()
                } else {
                    key_reused()
                });
            }
        }
        // Within the batch, the first with a key is the one that may have the effect.
        for same_key in keyed.into_values() {
            let (first, rest) = (same_key[0], &same_key[1..]);
            for n in rest {
                let same = request_hash(&self.commands[*n]) == request_hash(&self.commands[first]);
                self.states[*n] = if same { State::SameAs(first) } else { State::Known(key_reused()) };
            }
        }
        Ok(())
    }

    /// Settles an open command.
    pub(super) fn settle(&mut self, n: usize, result: Result<Outcome, Rejection>) {
        self.states[n] = State::Settled(result.into());
    }

    /// Adds an effect to tell the world about.
    pub(super) fn event(&mut self, event: NewEvent) {
        self.events.push(event);
    }

    /// Ends the transaction without any effect.
    pub(super) async fn abandon(self) -> Result<(), Failure> {
        Ok(self.transaction.rollback().await?)
    }

    /// Keeps outcomes, keys and events, and commits. Returns the outcomes in the order of the commands.
    pub(super) async fn commit(self) -> Result<Vec<Outcome>, Failure> {
        self.commit_with(None).await
    }

    /// The same, and stores rows that changed. Rows change only with an outcome.
    pub(super) async fn commit_with(mut self, rows: Option<&(dyn Rows + Sync)>) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes = Vec::new();
        let mut keys = Vec::new();
        for (n, state) in self.states.iter().enumerate() {
            let State::Settled(outcome) = state else { continue };
            let command = &self.commands[n];
            outcomes.push((command.id, outcome));
            if let (true, Some(user), Some(key)) = (outcome.ok, self.key_owners[n], &command.idempotency_key) {
                let request_hash = request_hash(command);
                keys.push(store::outcomes::NewKey { user, key, request_hash, command: command.id });
            }
        }
        if outcomes.is_empty() && self.events.is_empty() {
            // Nothing was written: everything was settled before.
            self.transaction.rollback().await?;
        } else {
            let now = self.now();
            store::outcomes::keep(&mut self.transaction, &outcomes, &self.events, rows, now).await?;
            if !keys.is_empty() {
                store::outcomes::keep_keys(&mut self.transaction, &mut keys, now).await?;
            }
            self.transaction.commit().await?;
        }
        Ok((0..self.states.len()).map(|n| outcome(&self.states, n)).collect())
    }
}

fn outcome(states: &[State], n: usize) -> Outcome {
    match &states[n] {
        State::Known(outcome) | State::Settled(outcome) => outcome.clone(),
        State::SameAs(first) => outcome(states, *first),
        State::Open => unreachable!("a lane settles every open command before it commits"),
    }
}

fn key_reused() -> Outcome {
    Outcome::rejected(&Rejection::of(Code::IdempotencyKeyReused))
}

/// What makes two requests the same: the command and its data, however they were spaced and ordered.
fn request_hash(command: &Envelope) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(command.command.name().as_str());
    hash.update([0]);
    hash.update(command.command.canonical_data());
    hash.finalize().to_vec()
}

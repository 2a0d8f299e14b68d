//! Signing up. Whether a name or an address is free is the database's to say.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;
use onsale_common::contract::account::{CreateUser, UserView};
use onsale_common::contract::{Code, Command, Envelope, Outcome, Rejection};
use onsale_common::ids::UserId;
use onsale_common::time::Time;
use uuid::Uuid;

use super::{AccountLane, password};
use crate::failure::Failure;
use crate::lanes::batch::Batch;
use crate::store;
use crate::store::users::{NewUser, Taken};

/// What became of the password of a sign-up.
enum Hashed {
    /// Its turn did not come in time.
    Not(Code),
    /// The name or the address is taken.
    NotNeeded,
    Done(String),
}

/// Settles sign-ups in one transaction, which begins when their passwords are hashed.
pub(super) async fn settle(lane: &AccountLane, commands: Vec<Arc<Envelope>>) -> Result<Vec<Outcome>, Failure> {
    let hashed = hash_passwords(lane, &commands).await?;
    let refused: Vec<Option<Code>> =
        hashed.iter().map(|hashed| if let Hashed::Not(code) = hashed { Some(*code) } else { None }).collect();
    let (in_time, hashes) = commands
        .into_iter()
        .zip(hashed)
        .filter_map(|(command, hashed)| match hashed {
            Hashed::Not(_) => None,
            Hashed::NotNeeded => Some((command, None)),
            Hashed::Done(hash) => Some((command, Some(hash))),
        })
        .unzip();
    let mut settled = create(lane, in_time, hashes).await?.into_iter();
    let outcome = |refused: Option<Code>| match refused {
        Some(code) => Outcome::rejected(&Rejection::of(code)),
        None => settled.next().expect("each that is not refused is settled"),
    };
    Ok(refused.into_iter().map(outcome).collect())
}

async fn hash_passwords(lane: &AccountLane, commands: &[Arc<Envelope>]) -> Result<Vec<Hashed>, Failure> {
    let (names, emails): (Vec<&str>, Vec<&str>) =
        commands.iter().filter_map(|command| asked(command)).map(|new| (&*new.username, &*new.email)).unzip();
    // The connection goes back before the hashing, which is slow.
    let mut db = lane.pool.acquire().await?;
    let taken = store::users::taken(&mut db, &names, &emails).await?;
    db.give_back();
    let hash = async |(command, taken): (&Arc<Envelope>, Taken)| {
        let Some(new) = asked(command).filter(|_| !taken.username && !taken.email) else {
            return Ok(Hashed::NotNeeded);
        };
        let password = new.password.clone();
        match password::in_turn(command.deadline, move || password::hash(&password)).await {
            Ok(hash) => hash.map(Hashed::Done),
            Err(code) => Ok(Hashed::Not(code)),
        }
    };
    join_all(commands.iter().zip(taken).map(hash)).await.into_iter().collect()
}

async fn create(
    lane: &AccountLane,
    commands: Vec<Arc<Envelope>>,
    mut hashes: Vec<Option<String>>,
) -> Result<Vec<Outcome>, Failure> {
    if commands.is_empty() {
        return Ok(Vec::new());
    }
    let mut batch = Batch::begin(&lane.pool, commands).await?;
    let (now, open) = (batch.now(), batch.open());
    let drafts: Vec<Option<NewUser>> =
        open.iter().map(|(n, command)| Some(draft(asked(command)?, hashes[*n].take()?))).collect();
    let new: Vec<&NewUser> = drafts.iter().flatten().collect();
    let created: HashMap<Uuid, UserId> = store::users::insert(batch.db(), &new, now).await?.into_iter().collect();

    let mut refused = Vec::new();
    for ((n, command), draft) in open.iter().zip(&drafts) {
        match draft.as_ref().and_then(|draft| Some((draft, *created.get(&draft.uuid)?))) {
            Some((draft, id)) => batch.settle(*n, Ok(Outcome::done(&view(draft, id, now)))),
            None => refused.extend(asked(command).map(|new| (*n, new))),
        }
    }
    let (names, emails): (Vec<&str>, Vec<&str>) = refused.iter().map(|(_, new)| (&*new.username, &*new.email)).unzip();
    let taken = store::users::taken(batch.db(), &names, &emails).await?;
    for ((n, _), taken) in refused.into_iter().zip(taken) {
        batch.settle(n, Err(refusal(taken)?));
    }
    batch.commit().await
}

fn asked(command: &Envelope) -> Option<&CreateUser> {
    match &command.command {
        Command::CreateUser(new) => Some(new),
        _ => None,
    }
}

fn draft(new: &CreateUser, password_hash: String) -> NewUser {
    NewUser { uuid: Uuid::new_v4(), username: new.username.clone(), email: new.email.clone(), password_hash }
}

fn view(new: &NewUser, user_id: UserId, created_at: Time) -> UserView {
    UserView { user_id, uuid: new.uuid, username: new.username.clone(), email: new.email.clone(), created_at }
}

fn refusal(taken: Taken) -> Result<Rejection, Failure> {
    if taken.username {
        Ok(Code::UsernameTaken.into())
    } else if taken.email {
        Ok(Code::EmailTaken.into())
    } else {
        Err(Failure::Overtaken("a name or an address that has become free"))
    }
}

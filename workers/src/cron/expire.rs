//! Writes down what has run out of time: tokens, whose slots go to the next in line, and holds.

use super::Crew;
use crate::failure::Failure;
use crate::lanes::holds;
use crate::redis::rooms::RoomChange;
use crate::store;
use crate::store::expiry::Which;

/// Rows of one transaction at most.
const CHUNK: i64 = 1_000;

/// Runs until nothing is left that has run out.
pub(super) async fn run(crew: Crew) -> Result<u64, Failure> {
    let tokens = expire_tokens(&crew).await?;
    let holds = expire_holds(&crew).await?;
    if tokens > 0 {
        super::admit::run(crew).await?;
    }
    Ok(tokens + holds)
}

async fn expire_tokens(crew: &Crew) -> Result<u64, Failure> {
    let mut count = 0;
    loop {
        let mut db = crew.servers.pool.acquire().await?;
        let tokens = store::expiry::expire_tokens(&mut db, CHUNK).await?;
        db.give_back();
        let gone: Vec<RoomChange> = tokens.iter().map(|token| RoomChange::Gone(*token)).collect();
        crew.servers.redis.change_rooms(&gone).await;
        count += tokens.len() as u64;
        if tokens.is_empty() {
            return Ok(count);
        }
    }
}

async fn expire_holds(crew: &Crew) -> Result<u64, Failure> {
    let mut count = 0;
    loop {
        let holds = holds::expire(&crew.servers.pool, &crew.servers.redis, Which::First(CHUNK)).await?;
        count += holds as u64;
        if holds == 0 {
            return Ok(count);
        }
    }
}

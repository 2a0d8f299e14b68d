//! Outcomes by command id, and the clients' own idempotency keys.

use std::collections::HashMap;

use onsale_common::contract::Outcome;
use onsale_common::ids::UserId;
use onsale_common::time::Time;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, Row};
use uuid::Uuid;

use crate::failure::Failure;
use crate::store::outbox::{NewEvent, bind_events};
use crate::store::pool::{Pool, Transaction};
use crate::store::questions::{Answers, Questions, list};

/// What [`begin`] asks by name: the clock, and the outcomes, if there are any.
pub(super) const PREPARE: &str = "PREPARE known_outcomes (uuid[]) AS
     SELECT statement_timestamp(), known.command_id, known.ok, known.reply
     FROM (SELECT) AS one LEFT JOIN command_outcomes known ON known.command_id = ANY($1)";

/// Begins a transaction that is to settle some commands, and finds the outcomes known already among them. What else it is
/// to ask first goes along.
///
/// # Errors
/// When Postgres fails.
pub async fn begin(
    pool: &Pool,
    commands: &[Uuid],
    ask_more: impl FnOnce(&mut Questions),
) -> Result<(Transaction, Vec<(Uuid, Outcome)>, Answers), Failure> {
    let mut questions = Questions::default();
    questions.ask("known_outcomes", &[&list(commands.iter().copied())]);
    ask_more(&mut questions);
    let (transaction, mut answers) = pool.begin_and_ask(&questions).await?;
    let mut known = Vec::new();
    for row in answers.next().unwrap_or_default() {
        if let Some(id) = row.try_get(1)? {
            let json: String = row.try_get(3)?;
            known.push((id, Outcome { ok: row.try_get(2)?, json: json.into() }));
        }
    }
    Ok((transaction, known, answers))
}

/// The outcomes that are kept of some commands.
///
/// # Errors
/// When Postgres fails.
pub async fn kept(pool: &Pool, commands: &[Uuid]) -> Result<HashMap<Uuid, Outcome>, Failure> {
    let mut db = pool.acquire().await?;
    let rows: Vec<(Uuid, bool, String)> =
        sqlx::query_as("SELECT command_id, ok, reply FROM command_outcomes WHERE command_id = ANY($1)")
            .bind(commands)
            .fetch_all(&mut *db)
            .await?;
    db.give_back();
    Ok(rows.into_iter().map(|(id, ok, json)| (id, Outcome { ok, json: json.into() })).collect())
}

/// A key that had its effect: of which request, and with which outcome.
#[derive(Debug, Clone)]
pub struct UsedKey {
    /// Whose key.
    pub user: UserId,
    /// The key.
    pub key: String,
    /// Of which request.
    pub request_hash: Vec<u8>,
    /// The outcome.
    pub outcome: Outcome,
}

/// Those of some keys that had their effect already.
///
/// # Errors
/// When Postgres fails.
pub async fn used_keys(db: &mut PgConnection, keys: &[(UserId, &str)]) -> Result<Vec<UsedKey>, Failure> {
    let users: Vec<i64> = keys.iter().map(|(user, _)| user.get()).collect();
    let texts: Vec<&str> = keys.iter().map(|(_, key)| *key).collect();
    let rows: Vec<(i64, String, Vec<u8>, bool, String)> = sqlx::query_as(
        "SELECT k.user_id, k.key, k.request_hash, o.ok, o.reply
         FROM unnest($1::bigint[], $2::text[]) AS wanted(user_id, key)
         JOIN idempotency_keys k USING (user_id, key)
         JOIN command_outcomes o USING (command_id)",
    )
    .bind(users)
    .bind(texts)
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(user, key, request_hash, ok, json)| UsedKey {
            user: UserId::new(user),
            key,
            request_hash,
            outcome: Outcome { ok, json: json.into() },
        })
        .collect())
}

/// A statement on its way to Postgres.
pub(super) type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// Rows that a batch changed, stored in the one statement that keeps its outcomes: one round trip for what belongs together.
pub trait Rows {
    /// The whole statement, made with `keep_with!`; none when nothing changed.
    fn statement(&self) -> Option<&'static str>;

    /// Binds the parameters of the rows, which follow the ten of the outcomes and events.
    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q>;
}

/// The statement that keeps outcomes and events, after the rows: common table expressions that write, each with its comma.
macro_rules! keep_with {
    ($($rows:expr),*) => {
        concat!("WITH ", $($rows,)* "events AS (", crate::store::outbox::insert_events!(), ")
         INSERT INTO command_outcomes (command_id, ok, reply, created_at)
         SELECT *, $2 FROM unnest($8::uuid[], $9::boolean[], $10::text[])")
    };
}
pub(super) use keep_with;

/// Keeps the first outcome of each command together with the events of their effects, and the rows that changed.
///
/// # Errors
/// [`Failure::Overtaken`] when another transaction settled one of them meanwhile.
pub async fn keep(
    db: &mut PgConnection,
    outcomes: &[(Uuid, &Outcome)],
    events: &[NewEvent],
    rows: Option<&(dyn Rows + Sync)>,
    now: Time,
) -> Result<(), Failure> {
    let mut sorted: Vec<_> = outcomes.iter().collect();
    sorted.sort_unstable_by_key(|(id, _)| *id);
    let ids: Vec<Uuid> = sorted.iter().map(|(id, _)| *id).collect();
    let oks: Vec<bool> = sorted.iter().map(|(_, outcome)| outcome.ok).collect();
    let replies: Vec<&str> = sorted.iter().map(|(_, outcome)| &*outcome.json).collect();
    let with_rows = rows.and_then(|rows| Some((rows, rows.statement()?)));
    let keep = sqlx::query(with_rows.map_or(keep_with!(), |(_, statement)| statement));
    let mut keep = bind_events(keep, events, now).bind(&ids).bind(oks).bind(replies);
    if let Some((rows, _)) = with_rows {
        keep = rows.bind(keep);
    }
    keep.execute(db).await?;
    Ok(())
}

/// A key to keep.
#[derive(Debug, Clone)]
pub struct NewKey<'a> {
    /// Whose key.
    pub user: UserId,
    /// The key.
    pub key: &'a str,
    /// Of which request.
    pub request_hash: Vec<u8>,
    /// The command that had the effect.
    pub command: Uuid,
}

/// Keeps the keys of commands that had their effect.
///
/// # Errors
/// [`Failure::Overtaken`] when another transaction used one of them meanwhile.
pub async fn keep_keys(db: &mut PgConnection, keys: &mut [NewKey<'_>], now: Time) -> Result<(), Failure> {
    keys.sort_unstable_by(|a, b| (a.user, a.key).cmp(&(b.user, b.key)));
    sqlx::query(
        "INSERT INTO idempotency_keys (user_id, key, request_hash, command_id, created_at)
         SELECT *, $5 FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::uuid[])",
    )
    .bind(keys.iter().map(|key| key.user.get()).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.key).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.request_hash.as_slice()).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.command).collect::<Vec<_>>())
    .bind(now.0)
    .execute(db)
    .await?;
    Ok(())
}

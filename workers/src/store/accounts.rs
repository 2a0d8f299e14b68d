//! Balances and their ledger.

use onsale_common::contract::account::{EntryKind, LedgerEntryView};
use onsale_common::ids::{PaymentId, UserId};
use onsale_common::time::Time;
use sqlx::{FromRow, PgConnection};

use crate::domain::account::{Account, Entry};
use crate::failure::Failure;
use crate::store::pages::PageAsked;

/// What a kind is in its column.
const CHARGE: i16 = 0;
const USE: i16 = 1;
const PAYMENT: i16 = 2;

const fn kind_code(kind: EntryKind) -> i16 {
    match kind {
        EntryKind::Charge => CHARGE,
        EntryKind::Use => USE,
        EntryKind::Payment => PAYMENT,
    }
}

#[derive(FromRow)]
struct AccountRow {
    user_id: i64,
    balance: i64,
    total_charged: i64,
    total_used: i64,
    version: i64,
    updated_at: chrono::DateTime<chrono::Utc>,
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        Self {
            user: UserId::new(row.user_id),
            balance: row.balance,
            total_charged: row.total_charged,
            total_used: row.total_used,
            version: row.version,
            updated_at: Time(row.updated_at),
        }
    }
}

/// Reads and locks some users' accounts, in the order of users.
///
/// # Errors
/// When Postgres fails.
pub async fn lock(db: &mut PgConnection, users: &[i64]) -> Result<Vec<Account>, Failure> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<AccountRow> = sqlx::query_as(
        "SELECT user_id, balance, total_charged, total_used, version, updated_at
         FROM accounts WHERE user_id = ANY($1) ORDER BY user_id FOR NO KEY UPDATE",
    )
    .bind(users)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Account::from).collect())
}

/// Reads some users' accounts.
///
/// # Errors
/// When Postgres fails.
pub async fn read(db: &mut PgConnection, users: &[i64]) -> Result<Vec<Account>, Failure> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<AccountRow> = sqlx::query_as(
        "SELECT user_id, balance, total_charged, total_used, version, updated_at
         FROM accounts WHERE user_id = ANY($1)",
    )
    .bind(users)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Account::from).collect())
}

/// Stores accounts that this transaction has locked, and the ledger entries of their changes; returns the entries' ids, in
/// the order of the entries and ascending, so that a user's newest entry has the largest id.
///
/// # Errors
/// When Postgres fails.
pub async fn store(
    db: &mut PgConnection,
    accounts: &[&Account],
    entries: &[Entry],
    now: Time,
) -> Result<Vec<i64>, Failure> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let mut ids: Vec<i64> = sqlx::query_scalar(
        "WITH account AS (
             UPDATE accounts a SET balance = v.balance, total_charged = v.total_charged, total_used = v.total_used,
                                   version = v.version, updated_at = v.updated_at
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[])
                  AS v(user_id, balance, total_charged, total_used, version, updated_at)
             WHERE a.user_id = v.user_id
         )
         INSERT INTO ledger_entries (user_id, kind, amount, balance_after, payment_id, created_at)
         SELECT user_id, kind, amount, balance_after, payment_id, $12
         FROM unnest($7::bigint[], $8::smallint[], $9::bigint[], $10::bigint[], $11::bigint[])
              WITH ORDINALITY AS new(user_id, kind, amount, balance_after, payment_id, n)
         ORDER BY n
         RETURNING id",
    )
    .bind(accounts.iter().map(|account| account.user.get()).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.balance).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.total_charged).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.total_used).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.version).collect::<Vec<_>>())
    .bind(accounts.iter().map(|account| account.updated_at.0).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.user.get()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| kind_code(entry.kind)).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.amount).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.balance_after).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.payment.map(PaymentId::get)).collect::<Vec<_>>())
    .bind(now.0)
    .fetch_all(db)
    .await?;
    // Drawn for the rows as they are sorted; no promise ties the order of RETURNING to that.
    ids.sort_unstable();
    Ok(ids)
}

#[derive(FromRow)]
struct EntryRow {
    page: i64,
    id: i64,
    kind: i16,
    amount: i64,
    balance_after: i64,
    payment_id: Option<i64>,
    created_at: chrono::DateTime<chrono::Utc>,
}

impl From<EntryRow> for LedgerEntryView {
    fn from(row: EntryRow) -> Self {
        Self {
            transaction_id: row.id,
            kind: match row.kind {
                CHARGE => EntryKind::Charge,
                USE => EntryKind::Use,
                _ => EntryKind::Payment,
            },
            amount: row.amount,
            balance_after: row.balance_after,
            payment_id: row.payment_id.map(PaymentId::new),
            created_at: Time(row.created_at),
        }
    }
}

/// Reads some pages of ledgers, newest entries first; returns them in the order asked.
///
/// # Errors
/// When Postgres fails.
pub async fn ledger_pages(db: &mut PgConnection, asked: &[PageAsked]) -> Result<Vec<Vec<LedgerEntryView>>, Failure> {
    let mut pages = vec![Vec::new(); asked.len()];
    if asked.is_empty() {
        return Ok(pages);
    }
    let rows: Vec<EntryRow> = sqlx::query_as(
        "SELECT asked.page, e.id, e.kind, e.amount, e.balance_after, e.payment_id, e.created_at
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS asked(user_id, after, most, page)
         CROSS JOIN LATERAL (
             SELECT * FROM ledger_entries l
             WHERE l.user_id = asked.user_id AND l.id < asked.after ORDER BY l.id DESC LIMIT asked.most
         ) AS e
         ORDER BY asked.page, e.id DESC",
    )
    .bind(asked.iter().map(|page| page.user.get()).collect::<Vec<_>>())
    .bind(asked.iter().map(|page| page.after.unwrap_or(i64::MAX)).collect::<Vec<_>>())
    .bind(asked.iter().map(|page| i64::from(page.limit)).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    for row in rows {
        // WITH ORDINALITY counts from 1.
        pages[row.page as usize - 1].push(LedgerEntryView::from(row));
    }
    Ok(pages)
}

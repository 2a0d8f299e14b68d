//! Users and their credentials. Names and addresses are told apart by Postgres' `lower`, as their unique indexes do.

use onsale_common::contract::account::UserView;
use onsale_common::ids::UserId;
use onsale_common::time::Time;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::failure::Failure;

/// A user to insert, with an account of balance 0.
#[derive(Clone)]
pub struct NewUser {
    /// The UUID by which other dialects know the user.
    pub uuid: Uuid,
    /// The name.
    pub username: String,
    /// The address.
    pub email: String,
    /// The password's hash in the PHC format.
    pub password_hash: String,
}

/// Inserts those users whose name and address are free, the first one first; returns who was inserted, by UUID.
///
/// # Errors
/// When Postgres fails.
pub async fn insert(db: &mut PgConnection, new: &[&NewUser], now: Time) -> Result<Vec<(Uuid, UserId)>, Failure> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid, i64)> = sqlx::query_as(
        "WITH inserted AS (
             INSERT INTO users (uuid, username, email, password_hash, created_at)
             SELECT uuid, username, email, password_hash, $5
             FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
                  WITH ORDINALITY AS new(uuid, username, email, password_hash, n)
             ORDER BY n
             ON CONFLICT DO NOTHING
             RETURNING id, uuid
         ), opened AS (
             INSERT INTO accounts (user_id, updated_at) SELECT id, $5 FROM inserted
         )
         SELECT uuid, id FROM inserted",
    )
    .bind(new.iter().map(|new| new.uuid).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.username.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.email.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|new| new.password_hash.as_str()).collect::<Vec<_>>())
    .bind(now.0)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(uuid, id)| (uuid, UserId::new(id))).collect())
}

/// What of a sign-up is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The name.
    pub username: bool,
    /// The address.
    pub email: bool,
}

/// Which names and addresses are taken, in the order asked.
///
/// # Errors
/// When Postgres fails.
pub async fn taken(db: &mut PgConnection, usernames: &[&str], emails: &[&str]) -> Result<Vec<Taken>, Failure> {
    if usernames.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(bool, bool)> = sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM users u WHERE lower(u.username) = lower(asked.username)),
                EXISTS (SELECT 1 FROM users u WHERE lower(u.email) = lower(asked.email))
         FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked(username, email, n) ORDER BY n",
    )
    .bind(usernames)
    .bind(emails)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(username, email)| Taken { username, email }).collect())
}

/// What a login is checked against.
#[derive(Clone)]
pub struct Credentials {
    /// Whose.
    pub user: UserId,
    /// The password's hash in the PHC format.
    pub password_hash: String,
}

/// The credentials that belong to some addresses, in the order asked.
///
/// # Errors
/// When Postgres fails.
pub async fn credentials(db: &mut PgConnection, emails: &[&str]) -> Result<Vec<Option<Credentials>>, Failure> {
    let rows: Vec<(Option<i64>, Option<String>)> = sqlx::query_as(
        "SELECT u.id, u.password_hash
         FROM unnest($1::text[]) WITH ORDINALITY AS asked(email, n)
         LEFT JOIN users u ON lower(u.email) = lower(asked.email) ORDER BY n",
    )
    .bind(emails)
    .fetch_all(db)
    .await?;
    let credentials = |(id, password_hash): (Option<i64>, Option<String>)| {
        Some(Credentials { user: UserId::new(id?), password_hash: password_hash? })
    };
    Ok(rows.into_iter().map(credentials).collect())
}

/// Those of some ids that are users.
///
/// # Errors
/// When Postgres fails.
pub async fn existing(db: &mut PgConnection, ids: &[i64]) -> Result<Vec<i64>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_scalar("SELECT id FROM users WHERE id = ANY($1)").bind(ids).fetch_all(db).await?)
}

/// A user to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserAsked {
    /// By number.
    Id(UserId),
    /// By UUID.
    Uuid(Uuid),
    /// By name.
    Username(String),
    /// By address.
    Email(String),
}

/// Finds some users, in the order asked.
///
/// # Errors
/// When Postgres fails.
pub async fn find(db: &mut PgConnection, asked: &[UserAsked]) -> Result<Vec<Option<UserView>>, Failure> {
    #[derive(FromRow)]
    struct Row {
        n: i64,
        id: i64,
        uuid: Uuid,
        username: String,
        email: String,
        created_at: chrono::DateTime<chrono::Utc>,
    }
    let mut users = vec![None; asked.len()];
    if asked.is_empty() {
        return Ok(users);
    }
    // Each by its own index; what is not given is null, and equals nothing.
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT asked.n, u.id, u.uuid, u.username, u.email, u.created_at
         FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[])
              WITH ORDINALITY AS asked(id, uuid, username, email, n)
         CROSS JOIN LATERAL (
             SELECT * FROM users WHERE id = asked.id
             UNION ALL SELECT * FROM users WHERE uuid = asked.uuid
             UNION ALL SELECT * FROM users WHERE lower(username) = lower(asked.username)
             UNION ALL SELECT * FROM users WHERE lower(email) = lower(asked.email)
         ) AS u",
    )
    .bind(asked.iter().map(|by| if let UserAsked::Id(id) = by { Some(id.get()) } else { None }).collect::<Vec<_>>())
    .bind(asked.iter().map(|by| if let UserAsked::Uuid(uuid) = by { Some(*uuid) } else { None }).collect::<Vec<_>>())
    .bind(
        asked
            .iter()
            .map(|by| if let UserAsked::Username(name) = by { Some(&**name) } else { None })
            .collect::<Vec<_>>(),
    )
    .bind(
        asked.iter().map(|by| if let UserAsked::Email(email) = by { Some(&**email) } else { None }).collect::<Vec<_>>(),
    )
    .fetch_all(db)
    .await?;
    for row in rows {
        // WITH ORDINALITY counts from 1.
        users[row.n as usize - 1] = Some(UserView {
            user_id: UserId::new(row.id),
            uuid: row.uuid,
            username: row.username,
            email: row.email,
            created_at: Time(row.created_at),
        });
    }
    Ok(users)
}

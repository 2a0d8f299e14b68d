//! The pool: what comes back from it is clean, however its last use ended.

use std::time::Duration;

use onsale_stack::role::Role;
use onsale_tests::Sale;
use onsale_tests::proxy::Proxy;
use onsale_workers::config::PostgresConfig;
use onsale_workers::failure::{Failure, Remedy};
use onsale_workers::store::pool::{self, Plans, Pool};
use sqlx::PgConnection;

const CONNECTIONS: u32 = 2;

fn pool_of(sale: &Sale) -> Pool {
    pool_at(sale.postgres().to_owned())
}

fn pool_at(url: String) -> Pool {
    pool::open(&PostgresConfig { url, connections_max: CONNECTIONS }, "test", Plans::Once).expect("a URL")
}

async fn backend(db: &mut PgConnection) -> i32 {
    sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(db).await.expect("an answer")
}

/// Whether a statement sees what the transaction before it on this connection did.
async fn is_marked(db: &mut PgConnection) -> bool {
    let marked = sqlx::query_scalar("SELECT coalesce(current_setting('onsale.mark', true), '') = 'set'");
    marked.fetch_one(db).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_kept_after_a_clean_end_and_cleaned_after_any_other() {
    let sale = Sale::with_roles(&[], &[Role::Ingress]).await;
    let pool = pool_of(&sale);
    let mut first = pool.begin().await.unwrap();
    let kept = backend(&mut first).await;
    first.commit().await.unwrap();
    for _ in 0..3 {
        let mut next = pool.begin().await.unwrap();
        assert_eq!(backend(&mut next).await, kept, "the same connection goes on");
        next.rollback().await.unwrap();
    }
    // Dropped in the middle: the next to have the connection is in no transaction.
    for _ in 0..20 {
        let mut dropped = pool.begin().await.unwrap();
        sqlx::query("SET LOCAL onsale.mark = 'set'").execute(&mut *dropped).await.unwrap();
        assert!(is_marked(&mut dropped).await);
        drop(dropped);
        // A beginning that is given up while it waits for its answer.
        let _ = tokio::time::timeout(Duration::from_micros(50), pool.begin()).await;
        let mut next = pool.acquire().await.unwrap();
        assert!(!is_marked(&mut next).await, "what was left is rolled back");
        // Outside a transaction, SET LOCAL lasts for its own statement only.
        sqlx::query("SET LOCAL onsale.mark = 'set'").execute(&mut *next).await.unwrap();
        assert!(!is_marked(&mut next).await, "the connection is not inside a transaction");
        next.give_back();
    }
    pool.close().await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_stood_still_for_too_long_is_begun_again() {
    let sale = Sale::with_roles(&[], &[Role::Ingress]).await;
    let pool = pool_of(&sale);
    let mut transaction = pool.begin().await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let ended = sqlx::query("SELECT 1").execute(&mut *transaction).await.expect_err("it was ended");
    assert_eq!(Failure::from(ended).remedy(), Remedy::Retry);
    drop(transaction);
    pool.close().await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_hear_nothing_any_more_make_room_for_others() {
    let sale = Sale::with_roles(&[], &[Role::Ingress]).await;
    let proxy = Proxy::to(sale.postgres()).await;
    let pool = pool_at(proxy.url(sale.postgres()));
    let all = [pool.begin().await.unwrap(), pool.begin().await.unwrap()];
    assert_eq!(proxy.silence("onsale-test"), all.len());
    for mut transaction in all {
        let asked = tokio::time::timeout(Duration::from_millis(100), backend(&mut transaction)).await;
        assert!(asked.is_err(), "nobody answers");
    }
    let next = tokio::time::timeout(Duration::from_secs(8), pool.begin()).await;
    next.expect("in time").expect("a new connection").rollback().await.unwrap();
    pool.close().await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_connections_are_lent_than_there_are_and_closing_waits_for_them() {
    let sale = Sale::with_roles(&[], &[Role::Ingress]).await;
    let pool = pool_of(&sale);
    let (first, second) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    assert!(matches!(pool.acquire().await, Err(sqlx::Error::PoolTimedOut)), "both are lent");
    first.give_back();
    let third = pool.begin().await.expect("one came back");
    let closing = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close().await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(matches!(pool.acquire().await, Err(sqlx::Error::PoolClosed)));
    assert!(!closing.is_finished(), "two are still lent");
    third.commit().await.expect("what has begun may end");
    second.give_back();
    tokio::time::timeout(Duration::from_secs(5), closing).await.expect("closed in time").unwrap();
    sale.finish().await;
}

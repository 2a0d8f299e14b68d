//! The pool of connections to Postgres.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use onsale_common::lock::lock;
use onsale_common::time::Time;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Either, Error, Executor, PgConnection, PgPool, Postgres, Row, raw_sql};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

use crate::config::PostgresConfig;
use crate::failure::Failure;
use crate::store::questions::{self, Answers, Questions};

/// How long to wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a transaction of a lane waits for a row that another has locked. Batches of a partition wait for each other,
/// and for those of cron, for some ten milliseconds.
const LANE_LOCK_TIMEOUT: &str = "500ms";
/// The same in [haste](in_haste): a batch may have to be tried many times.
const SET_HASTY_LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '10ms'";
/// How long a connection that comes back in an unknown state may take to be cleaned.
const CLEANING_TIMEOUT: Duration = Duration::from_secs(2);
/// How old plans may be. Postgres keeps a plan until it has new statistics, within a minute or so, and one that was made
/// for a handful of rows may walk through a whole table, which a sale fills in that minute.
const PLANS_LAST: Duration = Duration::from_secs(1);

/// The pool. Cheap to clone.
///
/// The library cleans every connection that comes back to it: a ROLLBACK, because a cancelled BEGIN can leave one inside a
/// transaction, and a question whether it is still there. Those are two round trips, which a connection is spared that
/// comes back from a transaction that ended well: it is kept here for the next one.
#[derive(Debug, Clone)]
pub struct Pool {
    library: PgPool,
    kept: Arc<Mutex<Vec<Connected>>>,
    turns: Arc<Semaphore>,
}

/// A connection, and since when it makes no new plans.
#[derive(Debug)]
struct Connected {
    library: PoolConnection<Postgres>,
    planned_at: Instant,
}

/// How statements are planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plans {
    /// Once, and row by row along an index: a lane's statements walk the same way whatever is asked, and while batches are
    /// small, to make a plan for each costs more than to follow it. The tables must be there.
    Once,
    /// As Postgres thinks that it pays: for work whose amounts differ, and by indexes of ranges of blocks.
    AsItPays,
}

tokio::task_local! {
    static IN_HASTE: ();
}

/// Does some work whose transactions hardly wait for rows that others have locked.
pub async fn in_haste<F: Future>(work: F) -> F::Output {
    IN_HASTE.scope((), work).await
}

/// Does database work in a task of its own: a panic ends only that, and the work is not cancelled half-way, unless it takes
/// longer than Postgres lets anything take. Its connection is closed then, whatever state it was in.
///
/// # Errors
/// When the work panics. Work that is dropped has failed with [`Failure::Silent`].
pub async fn bounded<T: Send + 'static>(
    limit: Duration,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<Result<T, Failure>, JoinError> {
    // The limit goes with the work: who waits for it may be gone before it ends, with the link to the broker.
    let limited = async move { tokio::time::timeout(limit, work).await.unwrap_or(Err(Failure::Silent)) };
    tokio::spawn(limited).await
}

/// Makes a pool; it connects when it is first used.
///
/// # Errors
/// When the URL cannot be parsed.
pub fn open(config: &PostgresConfig, process: &str, plans: Plans) -> Result<Pool, Error> {
    let options = PgConnectOptions::from_str(&config.url)?.application_name(&format!("onsale-{process}")).options([
        // Work is never cancelled from our side (a cancelled BEGIN can leave a connection inside a transaction), so that
        // Postgres bounds it: a statement, a wait for a lock, and a transaction whose worker is gone or hangs.
        ("statement_timeout", "5s"),
        ("lock_timeout", "3s"),
        ("idle_in_transaction_session_timeout", "2s"),
        // Every statement of a lane walks along an index. The planner would read whole tables instead while it takes them
        // for small, and keep that plan while a sale fills them.
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("jit", "off"),
    ]);
    // A statement's text may hold queue tokens (see `questions`), which the library would log of one that is slow.
    let options = options.disable_statement_logging();
    let (options, prepare) = match plans {
        Plans::Once => {
            let lanes = [
                ("plan_cache_mode", "force_generic_plan"),
                ("enable_bitmapscan", "off"),
                ("lock_timeout", LANE_LOCK_TIMEOUT),
            ];
            (options.options(lanes), Some(questions::prepare()))
        }
        Plans::AsItPays => (options, None),
    };
    let library = PgPoolOptions::new()
        .max_connections(config.connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A dead connection shows at its first statement, and the batch is tried again; a ping for each batch would not
        // prevent that.
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let prepare = prepare.clone();
            Box::pin(async move {
                if let Some(prepare) = prepare {
                    connection.execute(raw_sql(AssertSqlSafe(prepare))).await?;
                }
                Ok(())
            })
        })
        .after_release(|connection, _| {
            Box::pin(async move {
                // One that hears nothing of Postgres is closed.
                let cleaned = tokio::time::timeout(CLEANING_TIMEOUT, connection.execute("ROLLBACK"));
                cleaned.await.map_err(|_| Error::PoolTimedOut)??;
                Ok(true)
            })
        })
        .connect_lazy_with(options);
    let turns = Arc::new(Semaphore::new(config.connections_max as usize));
    Ok(Pool { library, kept: Arc::default(), turns })
}

impl Pool {
    /// Lends a connection.
    ///
    /// # Errors
    /// When none is free for too long, or Postgres is away.
    pub async fn acquire(&self) -> Result<Lent, Error> {
        let turn = self.turn().await?;
        let kept = lock(&self.kept).pop();
        let connection = match kept {
            Some(connection) => connection,
            None => Connected { library: self.library.acquire().await?, planned_at: Instant::now() },
        };
        Ok(Lent { connection: Some(connection), kept: self.kept.clone(), turn })
    }

    /// Waits for a turn; where one is free, without a timer.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, Error> {
        if let Ok(turn) = self.turns.clone().try_acquire_owned() {
            return Ok(turn);
        }
        let turn = tokio::time::timeout(ACQUIRE_TIMEOUT, self.turns.clone().acquire_owned()).await;
        turn.map_err(|_| Error::PoolTimedOut)?.map_err(|_| Error::PoolClosed)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// As [`Pool::acquire`].
    pub async fn begin(&self) -> Result<Transaction, Error> {
        Ok(self.begin_and_ask(&Questions::clock()).await?.0)
    }

    /// Begins a transaction and asks its first questions in the same round trip, which now and then has plans made anew.
    ///
    /// # Errors
    /// As [`Pool::acquire`], and when Postgres refuses a question.
    pub async fn begin_and_ask(&self, questions: &Questions) -> Result<(Transaction, Answers), Error> {
        let mut lent = self.acquire().await?;
        let mut begin = Vec::from(if lent.plans_are_old() { &["DISCARD PLANS", "BEGIN"][..] } else { &["BEGIN"] });
        if IN_HASTE.try_get().is_ok() {
            begin.push(SET_HASTY_LOCK_TIMEOUT);
        }
        let text = begin.join("; ") + questions.as_str();
        let answers = answers_to(&mut lent, text).await?.split_off(begin.len()).into_iter();
        let first_row = answers.as_slice().first().and_then(|rows| rows.first());
        let began_at: chrono::DateTime<chrono::Utc> = first_row.ok_or(Error::RowNotFound)?.try_get(0)?;
        Ok((Transaction { lent, began_at: Time(began_at) }, answers))
    }

    /// Closes every connection; waits for those that are lent.
    pub async fn close(&self) {
        {
            let mut kept = lock(&self.kept);
            // From now on nothing is kept that comes back.
            self.turns.close();
            kept.clear();
        }
        self.library.close().await;
    }
}

/// The rows of each statement of a text.
async fn answers_to(connection: &mut PgConnection, text: String) -> Result<Vec<Vec<PgRow>>, Error> {
    let (mut answers, mut rows) = (Vec::new(), Vec::new());
    let mut told = connection.fetch_many(raw_sql(AssertSqlSafe(text)));
    while let Some(told) = told.try_next().await? {
        match told {
            Either::Right(row) => rows.push(row),
            Either::Left(_ended) => answers.push(std::mem::take(&mut rows)),
        }
    }
    Ok(answers)
}

/// A connection that is lent. Dropped, it goes back to the library, to be cleaned.
#[derive(Debug)]
pub struct Lent {
    connection: Option<Connected>,
    kept: Arc<Mutex<Vec<Connected>>>,
    turn: OwnedSemaphorePermit,
}

impl Lent {
    /// Gives the connection back as it is: every statement on it has ended well, and no transaction is open.
    pub fn give_back(mut self) {
        let mut kept = lock(&self.kept);
        if !self.turn.semaphore().is_closed() {
            kept.extend(self.connection.take());
        }
    }

    /// Takes the connection out of the pool for good.
    pub fn detach(mut self) -> PgConnection {
        self.connection.take().expect(LENT).library.detach()
    }

    /// Whether its plans have to be made anew, now.
    fn plans_are_old(&mut self) -> bool {
        let connection = self.connection.as_mut().expect(LENT);
        let old = connection.planned_at.elapsed() > PLANS_LAST;
        if old {
            connection.planned_at = Instant::now();
        }
        old
    }
}

const LENT: &str = "a connection is lent until it is given back";

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection.as_ref().expect(LENT).library
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection.as_mut().expect(LENT).library
    }
}

/// A transaction. Dropped, it is rolled back.
#[derive(Debug)]
pub struct Transaction {
    lent: Lent,
    began_at: Time,
}

impl Transaction {
    /// When it began, by the clock of Postgres, which all workers share.
    pub fn began_at(&self) -> Time {
        self.began_at
    }

    /// Commits.
    ///
    /// # Errors
    /// When Postgres fails: then it is not known whether it committed.
    pub async fn commit(self) -> Result<(), Error> {
        self.end("COMMIT").await
    }

    /// Takes everything back.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn rollback(self) -> Result<(), Error> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, how: &'static str) -> Result<(), Error> {
        self.lent.execute(how).await?;
        self.lent.give_back();
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.lent
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.lent
    }
}

//! Failures: what goes wrong on our side. A rejection is an answer; a failure is retried, isolated, or given up.

use sqlx::error::DatabaseError;

/// Why a batch could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Postgres refused a statement, or could not be reached.
    #[error("postgres: {0}")]
    Postgres(sqlx::Error),
    /// Another transaction came first with something that this one had counted on; the batch starts again and sees it.
    #[error("another transaction was first: {0}")]
    Overtaken(&'static str),
    /// Postgres was silent for longer than it lets anything take: the way to it is cut.
    #[error("postgres has been silent for too long")]
    Silent,
    /// The operating system has no randomness.
    #[error("no randomness: {0}")]
    Randomness(String),
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It passes: the same batch again.
    Retry,
    /// A row of the batch is the cause: look for it in halves.
    Isolate,
    /// Somebody else keeps a row locked: look in halves for who wants it, so that the others need not wait.
    Part,
}

/// The constraints by which a batch learns that another transaction was first, and with what. A batch looks before it
/// inserts, so that a row that meets its like here was inserted meanwhile.
const OVERTAKEN: [(&str, &str); 3] = [
    ("command_outcomes_pkey", "a command id"),
    ("idempotency_keys_pkey", "an idempotency key"),
    ("queue_tokens_one_live", "a user's live token"),
];

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let constraint = error.as_database_error().and_then(DatabaseError::constraint);
        match OVERTAKEN.iter().find(|(name, _)| constraint == Some(name)) {
            Some((_, with)) => Self::Overtaken(with),
            None => Self::Postgres(error),
        }
    }
}

impl Failure {
    /// Whether Postgres may have been told to commit, and do so yet.
    pub fn may_be_committed(&self) -> bool {
        use sqlx::Error::{Io, Protocol, WorkerCrashed};
        matches!(self, Self::Silent | Self::Postgres(Io(_) | Protocol(_) | WorkerCrashed))
    }

    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Overtaken(_) | Self::Silent | Self::Randomness(_) => Remedy::Retry,
            Self::Postgres(sqlx::Error::Database(error)) => remedy_for(error.as_ref()),
            Self::Postgres(
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::BeginFailed,
            ) => Remedy::Retry,
            Self::Postgres(_) => Remedy::Isolate,
        }
    }
}

/// By the class of the SQLSTATE (PostgreSQL documentation, appendix A).
fn remedy_for(error: &dyn DatabaseError) -> Remedy {
    let code = error.code().unwrap_or_default();
    match code.get(..2).unwrap_or_default() {
        // Connection, state of the transaction (it stood still for too long and was ended, or the server only reads),
        // rollback, resources, operator, system; 55P03 is a lock that was not granted.
        "08" | "25" | "40" | "53" | "57" | "58" => Remedy::Retry,
        _ if code == "55P03" => Remedy::Part,
        _ => Remedy::Isolate,
    }
}

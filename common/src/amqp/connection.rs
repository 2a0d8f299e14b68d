//! Connections to the broker, and the supervisor that makes them again. The library's own recovery is not used: after a
//! broker was killed it left confirms pending for over ten seconds and resumed twenty seconds after the broker was back.

use std::future::Future;
use std::time::Duration;

use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, ErrorKind};

use crate::config::Env;
use crate::shutdown::CancellationToken;

/// Every single step with the broker is bounded by this.
pub const STEP_TIMEOUT: Duration = Duration::from_secs(5);
/// Pauses between attempts to connect grow up to this.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_millis(800);
/// A peer that is silent for twice this long is gone.
const HEARTBEAT_S: u16 = 5;

/// A step with the broker that failed.
#[derive(Debug, thiserror::Error)]
pub enum AmqpError {
    /// The broker, or the way to it, failed.
    #[error("could not {step}: {source}")]
    Broker {
        /// What was tried.
        step: &'static str,
        /// Why it failed.
        source: lapin::Error,
    },
    /// The broker did not answer.
    #[error("could not {0}: no answer within {seconds} s", seconds = STEP_TIMEOUT.as_secs())]
    Silent(&'static str),
    /// The URL cannot be used. What is wrong with it is not told: the library would quote it, password and all.
    #[error("the URL of the broker is not usable")]
    Url,
    /// What should go on for as long as the connection did not: a consumer whose queue is gone, a channel, a task.
    #[error("{0} ended")]
    Ended(String),
}

impl AmqpError {
    /// Whether the broker has what is declared already, made with other arguments.
    pub(super) fn is_made_otherwise(&self) -> bool {
        let Self::Broker { source, .. } = self else { return false };
        matches!(source.kind(), ErrorKind::ProtocolError(error)
            if *error.kind() == AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED))
    }

    /// Whether the broker did not answer this step.
    pub(super) fn is_silence_at(&self, step: &str) -> bool {
        matches!(self, Self::Silent(at) if *at == step)
    }
}

/// Bounds one step with the broker.
///
/// # Errors
/// The step's own, or [`AmqpError::Silent`].
pub async fn within<T>(step: &'static str, work: impl Future<Output = lapin::Result<T>>) -> Result<T, AmqpError> {
    match tokio::time::timeout(STEP_TIMEOUT, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(AmqpError::Broker { step, source }),
        Err(_) => Err(AmqpError::Silent(step)),
    }
}

/// Reads `ONSALE_AMQP_URL`; one that is not usable is a fault of `env`.
pub fn url_from_env(env: &mut Env) -> String {
    const NAME: &str = "ONSALE_AMQP_URL";
    let url = env.required_secret(NAME, "the broker, as in amqp://user:password@host:5672/%2f");
    if url.parse::<AMQPUri>().is_err() && !url.is_empty() {
        env.fault(format!("{NAME} is not usable; write amqp://user:password@host:5672/%2f"));
    }
    url
}

/// Opens a connection under a name that the broker shows to its operators.
///
/// # Errors
/// When the URL is not usable, or the broker refuses or does not answer.
pub async fn connect(url: &str, name: &str) -> Result<Connection, AmqpError> {
    let mut uri: AMQPUri = url.parse().map_err(|_| AmqpError::Url)?;
    uri.query.heartbeat = Some(HEARTBEAT_S);
    uri.query.connection_timeout = Some(STEP_TIMEOUT.as_millis() as u64);
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    within("connect to the broker", Connection::connect_uri(uri, properties)).await
}

/// Runs a session again and again until shutdown: a session connects, works, and returns when something broke.
pub async fn supervise<F, S>(what: &str, shutdown: &CancellationToken, mut session: S)
where
    S: FnMut() -> F,
    F: Future<Output = Result<(), AmqpError>>,
{
    let mut pause = Duration::from_millis(100);
    while !shutdown.is_cancelled() {
        let started = tokio::time::Instant::now();
        match session().await {
            Ok(()) => break,
            Err(error) => tracing::warn!(what, %error, "the link to the broker broke; it is made again"),
        }
        pause = if started.elapsed() > STEP_TIMEOUT * 2 {
            Duration::from_millis(100)
        } else {
            (pause * 2).min(RECONNECT_PAUSE_MAX)
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

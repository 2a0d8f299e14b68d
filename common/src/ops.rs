//! The operator's door of a process without HTTP of its own: `/health/live`, `/health/ready` and `/metrics`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::shutdown::CancellationToken;
use crate::telemetry;

/// Whether a process can do its work now.
#[derive(Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says whether work can be done.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    /// Whether work can be done.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A process that has no descriptors left refuses every connection, at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the door until shutdown, at most 16 connections at once.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(address: SocketAddr, ready: Readiness, shutdown: CancellationToken) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let places = Arc::new(Semaphore::new(16));
    tokio::spawn(async move {
        loop {
            let place = places.clone().acquire_owned().await;
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.cancelled() => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection to the operator's door could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let ready = ready.clone();
            tokio::spawn(async move {
                let _place = place;
                let service = service_fn(move |request| answer(request, ready.clone()));
                let served = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(Duration::from_secs(5))
                    .serve_connection(TokioIo::new(stream), service);
                let _ = served.await;
            });
        }
    });
    Ok(())
}

async fn answer(request: Request<Incoming>, ready: Readiness) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match request.uri().path() {
        "/health/live" => (StatusCode::OK, "live\n".to_owned()),
        "/health/ready" if ready.get() => (StatusCode::OK, "ready\n".to_owned()),
        "/health/ready" => (StatusCode::SERVICE_UNAVAILABLE, "not ready: no working link to a server\n".to_owned()),
        "/metrics" => (StatusCode::OK, telemetry::render_metrics()),
        _ => (StatusCode::NOT_FOUND, "this door has /health/live, /health/ready and /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
    Ok(response)
}

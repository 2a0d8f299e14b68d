//! The accept loop: a bounded number of connections, each in a task of its own, and a drain at the end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use onsale_common::shutdown::CancellationToken;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::config::Limits;
use crate::ingress::Ingress;
use crate::meter::Level;
use crate::pulse::{Order, Pulse, Watchdog};
use crate::wire::Wire;

/// Connections that the operating system keeps while none can be accepted: a sale opens with a burst.
const BACKLOG: u32 = 4096;
/// A pause after an accept that failed for want of descriptors or memory, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A connection's read buffer at most: bodies come through it in parts, so a few of them never need more.
const BUFFER_BYTES: usize = 64 << 10;

/// Listens on an address, which may still be settling from a process that served it before.
///
/// # Errors
/// When the address is taken, or is not this machine's.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until shutdown, then lets the requests in progress finish within the drain's time.
pub(crate) async fn serve(listener: TcpListener, ingress: Arc<Ingress>, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(ingress.limits().connections_max));
    let open = Level::of_connections();
    let connections = TaskTracker::new();
    let watchdog = Watchdog::new(ingress.limits().header_timeout, ingress.limits().idle_timeout);
    let accepting = async {
        loop {
            // A connection beyond the bound waits in the backlog, where it costs this process nothing.
            let Ok(place) = places.clone().acquire_owned().await else { break };
            match listener.accept().await {
                Ok((socket, _)) => {
                    let counted = (place, open.one());
                    let connection = connection(socket, ingress.clone(), watchdog.watch());
                    connections.spawn(async move {
                        connection.await;
                        drop(counted);
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = watchdog.run() => {}
        () = shutdown.cancelled() => {}
    }
    drop(listener);
    connections.close();
    watchdog.dismiss();
    tokio::select! {
        () = connections.wait() => {}
        () = watchdog.run() => {}
        () = tokio::time::sleep(ingress.limits().drain_timeout) => {
            tracing::warn!(connections = connections.len(), "requests were still in progress when the drain's time was up");
        }
    }
}

/// Serves one connection until it ends or the watchdog ends it.
async fn connection(socket: TcpStream, ingress: Arc<Ingress>, pulse: Arc<Pulse>) {
    // Answers are written whole; holding them back for more would only add latency.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended before it was served");
        return;
    }
    let limits = *ingress.limits();
    let busy = pulse.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (ingress, busy) = (ingress.clone(), busy.clone());
        async move {
            let _busy = busy.busy();
            Ok::<_, Infallible>(ingress.answer(request).await)
        }
    });
    let served = http(&limits)
        .serve_connection(TokioIo::new(Wire::new(socket, pulse.clone(), limits.headers_max_bytes)), service);
    tokio::pin!(served);
    loop {
        tokio::select! {
            biased;
            ended = served.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                break;
            }
            order = pulse.order() => match order {
                Order::Leave => served.as_mut().graceful_shutdown(),
                Order::End => break,
            }
        }
    }
}

/// HTTP/1.1 with every option that matters spelled out.
fn http(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.keep_alive(true)
        // A client that closes its half has gone: its request is dropped, and its command not sent if it still waits.
        .half_close(false)
        // The watchdog bounds headers and idleness.
        .header_read_timeout(None)
        // hyper refuses beyond this by itself; `Wire` words the refusal.
        .max_header_size(limits.headers_max_bytes)
        .max_buf_size(BUFFER_BYTES.max(limits.headers_max_bytes));
    http
}

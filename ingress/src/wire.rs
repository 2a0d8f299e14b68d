//! A client's socket, between TCP and hyper. It sees two things that hyper does not tell: how long a connection has been
//! quiet, and that hyper refuses by itself what it cannot read, which it does without a body.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use onsale_common::contract::{Code, Rejection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::answer;
use crate::pulse::Pulse;

/// What is read and thrown away after a refusal, so that the client gets to read it before the socket is reset.
const LINGER_MAX_BYTES: usize = 1 << 20;
/// How many headers hyper takes.
const HEADERS_MAX: usize = 100;

/// A client's socket.
pub(crate) struct Wire {
    socket: TcpStream,
    pulse: Arc<Pulse>,
    headers_max_bytes: usize,
    refusal: Option<Refusal>,
    linger_bytes: usize,
}

/// Our words in the place of hyper's.
struct Refusal {
    /// What is still to be written.
    rest: Bytes,
    /// How many bytes of hyper's this stands for.
    stands_for: usize,
}

impl Wire {
    /// A socket whose traffic shows in `pulse`. `headers_max_bytes` is what hyper takes, to be told to whom it refuses.
    pub(crate) fn new(socket: TcpStream, pulse: Arc<Pulse>, headers_max_bytes: usize) -> Self {
        Self { socket, pulse, headers_max_bytes, refusal: None, linger_bytes: 0 }
    }

    fn poll_refuse(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(refusal) = &mut self.refusal else { return Poll::Ready(Ok(0)) };
        while refusal.rest.has_remaining() {
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, &refusal.rest))?;
            refusal.rest.advance(written);
        }
        let stands_for = refusal.stands_for;
        self.refusal = None;
        self.linger_bytes = LINGER_MAX_BYTES;
        Poll::Ready(Ok(stands_for))
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.pulse.has_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.refusal.is_none() {
            self.refusal = refusal(buf, self.headers_max_bytes);
        }
        if self.refusal.is_some() {
            return self.poll_refuse(cx);
        }
        let written = ready!(Pin::new(&mut self.socket).poll_write(cx, buf))?;
        self.pulse.has_written();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(first) = bufs.first()
            && (self.refusal.is_some() || is_refusal(first))
        {
            return self.poll_write(cx, first);
        }
        let written = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, bufs))?;
        self.pulse.has_written();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
        let mut space = [0; 4096];
        // Bounded in time by the watchdog: what is read here counts as headers that do not end.
        while self.linger_bytes > 0 {
            let mut buf = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buf))?;
            let read = buf.filled().len();
            self.linger_bytes = if read == 0 { 0 } else { self.linger_bytes.saturating_sub(read) };
        }
        Poll::Ready(Ok(()))
    }
}

/// Whether these bytes are hyper's refusal: an answer of ours has a request id, and a body never begins like this.
fn is_refusal(written: &[u8]) -> bool {
    let name = answer::REQUEST_ID.as_str().as_bytes();
    written.starts_with(b"HTTP/1.")
        && written.get(9) == Some(&b'4')
        && !written.windows(name.len()).any(|window| window.eq_ignore_ascii_case(name))
}

fn refusal(written: &[u8], headers_max_bytes: usize) -> Option<Refusal> {
    if !is_refusal(written) {
        return None;
    }
    let rejection = match &written[9..12] {
        b"431" | b"414" => {
            Rejection::of(Code::HeadersTooLarge).with("maxBytes", headers_max_bytes).with("maxHeaders", HEADERS_MAX)
        }
        _ => Rejection::invalid_field("request", "is not an HTTP/1.1 request"),
    };
    Some(Refusal { rest: whole_answer(rejection), stands_for: written.len() })
}

/// A whole answer as it goes over the wire, after which the connection ends.
fn whole_answer(rejection: Rejection) -> Bytes {
    let words = answer::words(rejection.code);
    let (status, body) = (words.status, answer::failed_body(&rejection.into(), words));
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{}: {}\r\nconnection: close\r\n\r\n",
        body.len(),
        answer::REQUEST_ID.as_str(),
        Uuid::now_v7(),
    );
    [head.as_bytes(), &body].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hypers_own_refusals_are_worded_anew() {
        assert!(is_refusal(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"));
        assert!(!is_refusal(b"HTTP/1.1 404 Not Found\r\nX-Request-Id: 1\r\n\r\n"));
        assert!(!is_refusal(b"HTTP/1.1 200 OK\r\n\r\n"));
        assert!(!is_refusal(b"{\"success\":true}"));
        assert!(!is_refusal(b""));
    }
}

//! A keep-alive connection of the load generator: as little work as an HTTP/1.1 client can do, because the generator
//! shares its processors with what it measures.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What one read takes at most at first; a larger body makes the buffer grow.
const READ_BYTES: usize = 1 << 10;

/// A connection to one server.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'c> {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: &'c [u8],
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there, or the machine has no more ports or descriptors.
    pub async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(READ_BYTES) })
    }

    /// Sends a request and waits for its whole answer.
    ///
    /// # Errors
    /// When the server closes, or answers what is not HTTP with a length.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<Reply<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let mut head = None;
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if head.is_none() {
                head = read_head(&self.buffer)?;
            }
            if let Some(Head { status, body_at, body_bytes }) = head
                && self.buffer.len() >= body_at + body_bytes
            {
                return Ok(Reply { status, body: &self.buffer[body_at..body_at + body_bytes] });
            }
        }
    }
}

/// What the head of an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    status: u16,
    body_at: usize,
    body_bytes: usize,
}

/// Reads the head, where all of it is there.
fn read_head(bytes: &[u8]) -> io::Result<Option<Head>> {
    const LENGTH: &[u8] = b"content-length: ";
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let number = |digits: &[u8]| {
        let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0_usize, |number, digit| number * 10 + usize::from(digit - b'0'))
    };
    if !bytes.starts_with(b"HTTP/1.1 ") {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let status = u16::try_from(number(&bytes[9..])).unwrap_or(0);
    let length = bytes[..end].windows(LENGTH.len()).position(|window| window.eq_ignore_ascii_case(LENGTH));
    let body_bytes = length.map_or(0, |at| number(&bytes[at + LENGTH.len()..end]));
    Ok(Some(Head { status, body_at: end + 4, body_bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_when_they_are_whole() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\nx: y\r\n\r\n";
        for cut in 9..answer.len() {
            assert_eq!(read_head(&answer[..cut]).unwrap(), None);
        }
        assert_eq!(read_head(answer).unwrap(), Some(Head { status: 201, body_at: answer.len(), body_bytes: 12 }));
        assert_eq!(read_head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().body_bytes, 0);
        assert!(read_head(b"SSH-2.0\r\n\r\n").is_err());
    }
}

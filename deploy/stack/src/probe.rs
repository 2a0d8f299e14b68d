//! Waiting for a state within a bound, and the smallest clients that can tell whether a server is ready.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(25);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Looks every few milliseconds until `condition` holds; false when it does not within `limit`.
pub fn poll(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(STEP);
    }
}

/// The status of a GET on a local HTTP listener.
pub fn http_status(port: u16, path: &str) -> std::io::Result<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
    let answer = exchange(port, request.as_bytes(), b"\r\n")?;
    let status = std::str::from_utf8(&answer).ok().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    status.ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidData, "no HTTP status line"))
}

/// Whether a Redis on this port answers PING, which it does not while it loads its data.
pub(crate) fn redis_answers(port: u16) -> bool {
    exchange(port, b"PING\r\n", b"\r\n").is_ok_and(|answer| answer.starts_with(b"+PONG"))
}

/// Whether an AMQP 0-9-1 broker on this port answers the protocol header with a method frame. RabbitMQ
/// opens its listener last, after its virtual hosts are up.
pub(crate) fn amqp_answers(port: u16) -> bool {
    exchange(port, b"AMQP\x00\x00\x09\x01", b"").is_ok_and(|answer| answer.first() == Some(&1))
}

/// Sends `request`, and reads until `end` was seen (or anything at all, if `end` is empty).
fn exchange(port: u16, request: &[u8], end: &[u8]) -> std::io::Result<Vec<u8>> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, PROBE_TIMEOUT)?;
    stream.set_read_timeout(Some(PROBE_TIMEOUT))?;
    stream.set_write_timeout(Some(PROBE_TIMEOUT))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let mut buffer = [0_u8; 1024];
    loop {
        let length = stream.read(&mut buffer)?;
        answer.extend_from_slice(&buffer[..length]);
        let complete = end.is_empty() || answer.windows(end.len()).any(|window| window == end);
        if length == 0 || (complete && !answer.is_empty()) || answer.len() > 16 * 1024 {
            return Ok(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_status_of_a_health_answer_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0_u8; 256];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /health/ready HTTP/1.1\r\n"));
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").unwrap();
        });
        assert_eq!(http_status(port, "/health/ready").unwrap(), 503);
        server.join().unwrap();
        assert!(http_status(port, "/health/ready").is_err());
    }
}

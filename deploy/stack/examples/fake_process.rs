//! Stands in for an Onsale process in the tests of the fleet: it answers every request with 200.

use std::io::{Error, Read, Write};
use std::net::TcpListener;

fn main() -> Result<(), Error> {
    if let Ok(reason) = std::env::var("ONSALE_FAKE_FAILURE") {
        return Err(Error::other(reason));
    }
    let address = std::env::var("ONSALE_OPS_LISTEN").or_else(|_| std::env::var("ONSALE_HTTP_LISTEN"));
    let listener = TcpListener::bind(address.map_err(Error::other)?)?;
    for stream in listener.incoming() {
        let mut stream = stream?;
        let mut request = [0_u8; 1024];
        if stream.read(&mut request)? > 0 {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
        }
    }
    Ok(())
}

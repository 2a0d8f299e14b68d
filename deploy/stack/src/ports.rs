//! Free ports on 127.0.0.1, outside the range the kernel gives to outgoing connections.
//!
//! A port from that range could become some client's local port while its server is down, and the server
//! would not come back on it.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{files, probe};

const LOWEST: u16 = 15_000;
const ATTEMPTS: usize = 500;
const RELEASE_LIMIT: Duration = Duration::from_secs(2);

/// Whether nobody listens on the port.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// Whether the port is free, or soon is: a process that was just killed may hold it a moment longer.
pub(crate) fn becomes_free(port: u16) -> bool {
    probe::poll(RELEASE_LIMIT, || is_free(port))
}

/// A random free port. Random, so that stacks that start at the same time rarely meet.
pub fn free_port() -> Result<u16> {
    let span = ephemeral_start().saturating_sub(LOWEST).max(1_000);
    for _ in 0..ATTEMPTS {
        let random = getrandom::u32().context("no random numbers from the operating system")?;
        let offset = u16::try_from(random % u32::from(span)).unwrap_or(0);
        let port = LOWEST + offset;
        if is_free(port) {
            return Ok(port);
        }
    }
    bail!("found no free port on 127.0.0.1 from {LOWEST} on, after {ATTEMPTS} attempts")
}

/// The port recorded in `file`, as long as it is free; otherwise a new one, recorded there.
pub(crate) fn kept(file: &Path) -> Result<u16> {
    if let Some(port) = recorded(file)
        && becomes_free(port)
    {
        return Ok(port);
    }
    let port = free_port()?;
    files::write_atomically(file, port.to_string().as_bytes())?;
    Ok(port)
}

/// The port recorded in `file`, if there is one.
pub(crate) fn recorded(file: &Path) -> Option<u16> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn ephemeral_start() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .unwrap_or(32_768)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_can_be_bound_and_is_then_taken() {
        let port = free_port().unwrap();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        assert!(!is_free(port));
        drop(listener);
        assert!(is_free(port));
    }

    #[test]
    fn a_recorded_port_stays_until_somebody_takes_it() {
        let file = std::env::temp_dir().join(format!("onsale-port-{}", std::process::id()));
        let first = kept(&file).unwrap();
        assert_eq!(kept(&file).unwrap(), first);
        let _taken = TcpListener::bind(("127.0.0.1", first)).unwrap();
        assert_ne!(kept(&file).unwrap(), first);
        fs::remove_file(&file).unwrap();
    }
}

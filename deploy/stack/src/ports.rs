//! Free ports on 127.0.0.1, outside the range the kernel gives to outgoing connections.
//!
//! A port from that range could become some client's local port while its server is down, and the server
//! would not come back on it.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

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

/// A free port that was given to nobody else of late: ports are handed out in turn, so two stacks that start at
/// the same time never get the same one, nor does the look at whether a port is free fall on a port that some
/// process is about to listen on.
pub fn free_port() -> Result<u16> {
    let span = ephemeral_start().saturating_sub(LOWEST).max(1_000);
    for _ in 0..ATTEMPTS {
        let port = LOWEST + next_turn(span)?;
        if is_free(port) {
            return Ok(port);
        }
    }
    bail!("found no free port on 127.0.0.1 from {LOWEST} on, after {ATTEMPTS} attempts")
}

/// The next number below `span`, after the one that any process of this user drew before.
fn next_turn(span: u16) -> Result<u16> {
    let path = std::env::temp_dir().join(format!("onsale-next-port-{}", rustix::process::geteuid().as_raw()));
    let in_file = || format!("in {}", path.display());
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let file = file.as_mut().map_err(|error| anyhow!("{}: {error}", path.display()))?;
    file.lock().with_context(in_file)?;
    let mut text = String::new();
    file.read_to_string(&mut text).with_context(in_file)?;
    // The first of all starts anywhere, as does one that finds the file damaged.
    let turn = match text.trim().parse::<u16>() {
        Ok(turn) => turn % span,
        Err(_) => {
            u16::try_from(getrandom::u32().context("no random numbers from the operating system")? % u32::from(span))?
        }
    };
    file.rewind().with_context(in_file)?;
    // Of one length, so that a shorter number leaves nothing of a longer one.
    write!(file, "{:05}", (turn + 1) % span).with_context(in_file)?;
    Ok(turn)
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
    fn no_port_is_given_twice_in_a_row() {
        let drawn: Vec<_> = (0..4).map(|_| std::thread::spawn(|| [(); 50].map(|()| free_port().unwrap()))).collect();
        let mut ports: Vec<u16> = drawn.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 200);
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

//! What a foreground `up` does once everything runs: it says who dies, until it is told to end.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use onsale_stack::fleet::Fleet;
use onsale_stack::servers::Servers;
use onsale_stack::stack_file::StackFile;
use onsale_stack::stack_lock::StackLock;
use onsale_stack::{files, interrupt};

use super::down;

const PERIOD: Duration = Duration::from_millis(300);
const LOG_LINES: usize = 8;

/// Stays until SIGINT or SIGTERM, then takes everything down. Ends too when another command has taken the
/// stack down.
pub(super) fn until_interrupted(servers: &Servers, own: &Fleet) -> Result<ExitCode> {
    let state_dir = servers.state_dir();
    let mut dead = BTreeSet::new();
    while !interrupt::requested() {
        std::thread::sleep(PERIOD);
        // Another command may be ending processes on purpose.
        let Some(_lock) = StackLock::try_take(state_dir)? else { continue };
        if !StackFile::path(state_dir).exists() {
            say!("The stack was taken down by another command.");
            return Ok(ExitCode::SUCCESS);
        }
        report_dead(state_dir, own, &mut dead)?;
    }
    say!("\nTaking the stack down.");
    interrupt::clear();
    let _lock = StackLock::take(state_dir, Duration::from_secs(60))?;
    down::take_down(state_dir)?;
    Ok(ExitCode::SUCCESS)
}

/// Says once of each process or server that it has died.
fn report_dead(state_dir: &std::path::Path, own: &Fleet, known: &mut BTreeSet<String>) -> Result<()> {
    let mut now = BTreeSet::new();
    // As other commands left it: they may have started, killed and scaled.
    let servers =
        Servers::open(&onsale_stack::servers::ServersConfig { state_dir: state_dir.to_owned(), extra_vhosts: 0 })?;
    for server in servers.each() {
        if server.pid().is_none() {
            now.insert((server.name().to_owned(), server.log().to_owned(), String::new()));
        }
    }
    if let Some(fleet) = Fleet::open(state_dir)? {
        for name in fleet.names().into_iter().filter(|name| fleet.pid(name).is_none()) {
            let how = own.how_it_ended(&name);
            let log = fleet.log(&name);
            now.insert((name, log, how));
        }
    }
    for (name, log, how) in &now {
        if !known.contains(name) {
            say!(
                "{name} has ended{how}; start it again with deploy/up. Its last lines:\n{}",
                files::log_tail(log, LOG_LINES)
            );
        }
    }
    *known = now.into_iter().map(|(name, ..)| name).collect();
    Ok(())
}

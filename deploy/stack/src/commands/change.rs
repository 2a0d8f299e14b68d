//! `scale`, `start`, `kill` and `status`: changes to a stack that runs.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use onsale_stack::fleet::Fleet;
use onsale_stack::interrupt;
use onsale_stack::role::Role;
use onsale_stack::servers::{Servers, ServersConfig};
use onsale_stack::stack_file::StackFile;
use onsale_stack::stack_lock::StackLock;

use super::up::{LOCK_LIMIT, READY_LIMIT};

/// A stack that runs.
struct Running {
    servers: Servers,
    fleet: Option<Fleet>,
}

impl Running {
    fn open(state_dir: &Path) -> Result<Self> {
        let missing = || format!("no stack runs in {}; start one with deploy/up", state_dir.display());
        let state_dir = state_dir.canonicalize().with_context(missing)?;
        if !StackFile::path(&state_dir).exists() {
            bail!("{}", missing());
        }
        let recorded = StackFile::read(&StackFile::path(&state_dir))?;
        let config = ServersConfig { state_dir: state_dir.clone(), extra_vhosts: recorded.vhosts.len() };
        Ok(Self { servers: Servers::open(&config)?, fleet: Fleet::open(&state_dir)? })
    }

    fn open_locked(state_dir: &Path) -> Result<(Self, StackLock)> {
        interrupt::listen()?;
        Self::open(state_dir)?;
        let lock = StackLock::take(state_dir, LOCK_LIMIT)?;
        // Read again: it may have changed while we waited.
        Ok((Self::open(state_dir)?, lock))
    }

    fn fleet(&self) -> Result<&Fleet> {
        self.fleet.as_ref().context("only servers run in this stack")
    }

    fn write(&self) -> Result<()> {
        StackFile::of(&self.servers, self.fleet.as_ref()).write()
    }

    fn check_name(&self, name: &str) -> Result<()> {
        let names: Vec<String> = self.names();
        if !names.iter().any(|known| known == name) {
            bail!("there is no process `{name}` in this stack; there are {}", names.join(", "));
        }
        Ok(())
    }

    fn names(&self) -> Vec<String> {
        let servers = self.servers.each().into_iter().map(|server| server.name().to_owned());
        servers.chain(self.fleet.iter().flat_map(Fleet::names)).collect()
    }
}

pub(crate) fn scale(state_dir: &Path, role: Role, count: usize) -> Result<ExitCode> {
    let (running, _lock) = Running::open_locked(state_dir)?;
    let result = running.fleet()?.scale(role, count, READY_LIMIT);
    running.write()?;
    result?;
    say!("{count} of {role} run.");
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn start(state_dir: &Path, name: &str) -> Result<ExitCode> {
    let (running, _lock) = Running::open_locked(state_dir)?;
    running.check_name(name)?;
    let result = match running.servers.by_name(name) {
        Some(server) => server.start(),
        None => {
            running.fleet()?.start(name).and_then(|()| running.fleet()?.wait_ready_of(&[name.to_owned()], READY_LIMIT))
        }
    };
    running.write()?;
    result?;
    say!("{name} runs.");
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn kill(state_dir: &Path, name: &str) -> Result<ExitCode> {
    let (running, _lock) = Running::open_locked(state_dir)?;
    running.check_name(name)?;
    match running.servers.by_name(name) {
        Some(server) => server.kill(),
        None => running.fleet()?.kill(name)?,
    }
    running.write()?;
    say!("{name} is killed; start it again with `onsale-stack start {name}` or deploy/up.");
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn status(state_dir: &Path) -> Result<ExitCode> {
    let running = Running::open(state_dir)?;
    let mut all_well = true;
    let mut line = |name: &str, pid: Option<u32>, state: &str, place: &str| {
        all_well &= pid.is_some() && state != "not ready";
        let pid = pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        say!("{name:<16} {pid:>8}  {state:<10} {place}");
    };
    for server in running.servers.each() {
        let state = if server.pid().is_some() { "runs" } else { "ended" };
        line(server.name(), server.pid(), state, &server.url());
    }
    if let Some(fleet) = &running.fleet {
        for name in fleet.names() {
            let state = match fleet.pid(&name) {
                None => "ended",
                Some(_) if fleet.is_ready(&name) => "ready",
                Some(_) => "not ready",
            };
            line(&name, fleet.pid(&name), state, &fleet.health_url(&name).unwrap_or_default());
        }
    }
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

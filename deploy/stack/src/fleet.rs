//! Onsale's own processes: started, ended, killed, started again and scaled by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::member::{self, Member};
use crate::process::{Identity, Process};
use crate::role::Role;
use crate::{files, interrupt, ports, probe, servers};

const READY_PATH: &str = "/health/ready";
const LOG_LINES: usize = 15;
/// How long a process may take to end after SIGTERM, unless it was given more time to drain.
const TERM_LIMIT: Duration = Duration::from_secs(30);

/// How to run the processes of one stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetConfig {
    /// The stack's directory. Logs go to `logs/NAME.log` in it.
    pub state_dir: PathBuf,
    /// Where the binaries are.
    pub bin_dir: PathBuf,
    /// Where the first ingress listens; any free port when `None`.
    pub http_port: Option<u16>,
    /// The `ONSALE_…` variables of every process.
    pub environment: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    config: FleetConfig,
    members: BTreeMap<String, Member>,
    #[serde(skip)]
    processes: BTreeMap<String, Process>,
}

/// The processes of one stack. Dropping it kills them, unless [`Fleet::leave_running`] was called.
#[derive(Debug)]
pub struct Fleet {
    record: PathBuf,
    state: Mutex<State>,
    kill_on_drop: AtomicBool,
}

impl Fleet {
    /// A fleet without processes yet.
    pub fn new(mut config: FleetConfig) -> Result<Self> {
        config.state_dir = servers::prepare_state_dir(&config.state_dir)?;
        let record = record_of(&config.state_dir);
        let state = Mutex::new(State { config, members: BTreeMap::new(), processes: BTreeMap::new() });
        let fleet = Self { record, state, kill_on_drop: AtomicBool::new(true) };
        fleet.save(&fleet.lock())?;
        Ok(fleet)
    }

    /// The fleet that some process left in a state directory. Dropping it leaves the processes as they are.
    pub fn open(state_dir: &Path) -> Result<Option<Self>> {
        let record = record_of(state_dir);
        let state: Option<State> = files::read_json(&record)?;
        Ok(state.map(|state| Self { record, state: Mutex::new(state), kill_on_drop: AtomicBool::new(false) }))
    }

    /// Starts one more process of a role, and gives its name. Does not wait for it: see [`Fleet::wait_ready`].
    pub fn add(&self, role: Role, args: &[&str]) -> Result<String> {
        let name = {
            let mut state = self.lock();
            let mut number = 1;
            while state.members.contains_key(&role.process_name(number)) {
                number += 1;
            }
            let name = role.process_name(number);
            let wanted = if role == Role::Ingress && number == 1 { state.config.http_port } else { None };
            let port = match wanted {
                Some(port) => port,
                None => ports::free_port()?,
            };
            let args = args.iter().map(|arg| (*arg).to_owned()).collect();
            state.members.insert(name.clone(), Member { role, port, args, identity: None });
            name
        };
        self.start(&name)?;
        Ok(name)
    }

    /// Starts a process of this fleet again, with the same port; nothing happens when it runs.
    pub fn start(&self, name: &str) -> Result<()> {
        let mut state = self.lock();
        let http_port = state.config.http_port;
        let member = state.members.get_mut(name).with_context(|| no_such(name))?;
        if member.running().is_some() {
            return Ok(());
        }
        if !ports::becomes_free(member.port) {
            if Some(member.port) == http_port {
                bail!("port {} is in use on 127.0.0.1", member.port);
            }
            member.port = ports::free_port()?;
        }
        let member = member.clone();
        let process = member.spawn(&state.config, name).start().with_context(|| format!("{name} did not start"))?;
        if let Some(member) = state.members.get_mut(name) {
            member.identity = Some(process.identity);
        }
        state.processes.insert(name.to_owned(), process);
        self.save(&state)
    }

    /// SIGTERM, and waits until the process has drained and ended; SIGKILL when it takes too long.
    pub fn term(&self, name: &str) -> Result<()> {
        self.term_all(&[name.to_owned()])
    }

    /// SIGKILL, as a crash would be.
    pub fn kill(&self, name: &str) -> Result<()> {
        let identity = self.lock().members.get(name).with_context(|| no_such(name))?.running();
        if let Some(identity) = identity {
            identity.kill();
        }
        Ok(())
    }

    /// SIGSTOP: the process hangs, with its connections open and its transactions under way, until [`Fleet::go_on`].
    pub fn hang(&self, name: &str) -> Result<()> {
        self.signal(name, Signal::STOP)
    }

    /// SIGCONT: a process that hangs goes on.
    pub fn go_on(&self, name: &str) -> Result<()> {
        self.signal(name, Signal::CONT)
    }

    fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        let identity = self.lock().members.get(name).with_context(|| no_such(name))?.running();
        identity.with_context(|| format!("{name} does not run"))?.signal(signal);
        Ok(())
    }

    /// Brings a role to `count` running processes and waits until they are ready. The highest numbers end first.
    pub fn scale(&self, role: Role, count: usize, ready_limit: Duration) -> Result<()> {
        let wanted: Vec<String> = (1..=count).map(|number| role.process_name(number)).collect();
        let surplus: Vec<String> =
            self.names().into_iter().filter(|name| self.role(name) == Some(role) && !wanted.contains(name)).collect();
        self.term_all(&surplus)?;
        {
            let mut state = self.lock();
            for name in &surplus {
                state.members.remove(name);
                state.processes.remove(name);
            }
            self.save(&state)?;
        }
        for name in &wanted {
            if self.role(name).is_some() { self.start(name)? } else { self.add(role, &[]).map(drop)? }
        }
        self.wait_ready_of(&wanted, ready_limit)
    }

    /// Waits until every process answers that it is ready; fails as soon as one has ended.
    pub fn wait_ready(&self, limit: Duration) -> Result<()> {
        self.wait_ready_of(&self.names(), limit)
    }

    /// Waits until these processes answer that they are ready; fails as soon as one has ended.
    pub fn wait_ready_of(&self, names: &[String], limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        for name in names {
            while !self.is_ready(name) {
                interrupt::check()?;
                let complaint = if self.pid(name).is_none() {
                    format!("{name} ended{} while it started", self.how_it_ended(name))
                } else if Instant::now() >= deadline {
                    format!("{name} was not ready after {} s", limit.as_secs())
                } else {
                    std::thread::sleep(Duration::from_millis(25));
                    continue;
                };
                bail!("{complaint}; its last lines:\n{}", files::log_tail(&self.log(name), LOG_LINES));
            }
        }
        Ok(())
    }

    /// Whether the process answers that it is ready.
    pub fn is_ready(&self, name: &str) -> bool {
        self.pid(name).is_some()
            && self
                .port(name)
                .is_some_and(|port| probe::http_status(port, READY_PATH).is_ok_and(|status| status == 200))
    }

    /// Ends everything in the order that loses no request: ingress first, then what serves it.
    pub fn stop_all(&self) -> Result<()> {
        let (ingress, others): (Vec<_>, Vec<_>) =
            self.names().into_iter().partition(|name| self.role(name) == Some(Role::Ingress));
        self.term_all(&ingress)?;
        self.term_all(&others)
    }

    /// Kills everything.
    pub fn kill_all(&self) {
        let running: Vec<Identity> = self.lock().members.values().filter_map(Member::running).collect();
        for identity in &running {
            identity.signal(Signal::KILL);
        }
        for identity in running {
            identity.kill();
        }
    }

    /// The names of all processes, running or not.
    pub fn names(&self) -> Vec<String> {
        self.lock().members.keys().cloned().collect()
    }

    /// The role of a process.
    pub fn role(&self, name: &str) -> Option<Role> {
        Some(self.lock().members.get(name)?.role)
    }

    /// The pid of a process while it runs.
    pub fn pid(&self, name: &str) -> Option<u32> {
        Some(self.lock().members.get(name)?.running()?.pid)
    }

    /// The port of its health listener; of its API too, when it is an ingress.
    pub fn port(&self, name: &str) -> Option<u16> {
        Some(self.lock().members.get(name)?.port)
    }

    /// Where its health listener is: `http://127.0.0.1:PORT`.
    pub fn health_url(&self, name: &str) -> Option<String> {
        self.port(name).map(|port| format!("http://127.0.0.1:{port}"))
    }

    /// Where its output goes.
    pub fn log(&self, name: &str) -> PathBuf {
        member::log_of(&self.lock().config.state_dir, name)
    }

    /// How it ended, if this object started it and it has.
    pub fn exit_status(&self, name: &str) -> Option<ExitStatus> {
        self.lock().processes.get(name)?.exit_status()
    }

    /// How this fleet's processes are run.
    pub fn config(&self) -> FleetConfig {
        self.lock().config.clone()
    }

    /// Dropping no longer kills the processes: they outlive this one.
    pub fn leave_running(&self) {
        self.kill_on_drop.store(false, Ordering::Relaxed);
    }

    /// ` (exit status: 1)` or nothing, to go into a sentence.
    pub fn how_it_ended(&self, name: &str) -> String {
        self.exit_status(name).map(|status| format!(" ({status})")).unwrap_or_default()
    }

    fn term_all(&self, names: &[String]) -> Result<()> {
        let mut running = Vec::new();
        for name in names {
            running.extend(self.lock().members.get(name).with_context(|| no_such(name))?.running());
        }
        for identity in &running {
            identity.signal(Signal::TERM);
        }
        let deadline = Instant::now() + self.term_limit();
        for identity in running {
            if !identity.wait_gone(deadline.saturating_duration_since(Instant::now())) {
                identity.kill();
            }
        }
        Ok(())
    }

    /// Longer than a process takes to drain by itself.
    fn term_limit(&self) -> Duration {
        let drain_ms = self.lock().config.environment.get("ONSALE_DRAIN_MS").and_then(|text| text.parse().ok());
        TERM_LIMIT.max(Duration::from_millis(drain_ms.unwrap_or(0)) + Duration::from_secs(5))
    }

    fn save(&self, state: &State) -> Result<()> {
        files::write_json(&self.record, state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if self.kill_on_drop.load(Ordering::Relaxed) {
            self.kill_all();
        }
    }
}

fn record_of(state_dir: &Path) -> PathBuf {
    state_dir.join("fleet.json")
}

fn no_such(name: &str) -> String {
    format!("there is no process `{name}` in this stack")
}

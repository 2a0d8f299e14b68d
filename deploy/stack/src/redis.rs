//! A private Redis.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use crate::process::{self, Spawn};
use crate::servers::{Server, create_private, kill_leftovers, socket_dir};
use crate::slot::Slot;
use crate::{files, packages, ports, probe, unix_user};

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// The Redis of one state directory.
#[derive(Debug)]
pub struct Redis {
    slot: Slot,
    state_dir: PathBuf,
    dir: PathBuf,
}

impl Redis {
    pub(crate) fn open(state_dir: &Path, dir: &Path, logs: &Path) -> Result<Self> {
        create_private(dir)?;
        let slot = Slot::open("redis", dir.join("process.json"), logs.join("redis.log"))?;
        Ok(Self { slot, state_dir: state_dir.to_owned(), dir: dir.to_owned() })
    }

    /// The port it listens on, once it was started.
    pub fn port(&self) -> Option<u16> {
        ports::recorded(&self.dir.join("port"))
    }

    fn socket(&self) -> Option<String> {
        socket_dir(&self.dir).map(|dir| format!("{dir}/redis.sock"))
    }

    fn write_configuration(&self, port: u16) -> Result<()> {
        let socket = self.socket().map_or_else(String::new, |path| format!("unixsocket {path}\nunixsocketperm 700\n"));
        let configuration = format!(
            "# Written by onsale-stack at each start.\n\
             bind 127.0.0.1\n\
             port {port}\n\
             {socket}\
             dir \"{}\"\n\
             databases 256\n\
             # What is here can be built again from Postgres: a second may be lost.\n\
             appendonly yes\n\
             appendfsync everysec\n\
             save \"\"\n\
             # A place in line takes 130 bytes, a lock 100. None is thrown away to make room: what does not\n\
             # fit is decided by Postgres alone.\n\
             maxmemory 2gb\n\
             maxmemory-policy noeviction\n\
             # The command line stays as it was given, so that the process can be started again from it.\n\
             set-proc-title no\n\
             daemonize no\n\
             logfile \"\"\n",
            self.dir.display()
        );
        files::write_atomically(&self.dir.join("redis.conf"), configuration.as_bytes())
    }
}

impl Server for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn start(&self) -> Result<()> {
        if self.slot.running().is_some() {
            return Ok(());
        }
        let user = unix_user::for_server("redis")?;
        let program = packages::redis_server()?;
        // One that somebody else started here again is not known to us, and would share our data.
        kill_leftovers(&self.dir);
        let port = ports::kept(&self.dir.join("port"))?;
        self.write_configuration(port)?;
        unix_user::give(&self.dir, user.as_ref())?;
        let spawn = Spawn {
            program,
            args: vec![self.dir.join("redis.conf").display().to_string()],
            environment: process::base_environment(&self.state_dir),
            working_dir: self.dir.clone(),
            log: self.slot.log().to_owned(),
            user,
        };
        self.slot.start(&spawn, START_LIMIT, || probe::redis_answers(port))
    }

    fn stop(&self) {
        if let Some(process) = self.slot.running() {
            process.end(Signal::TERM, STOP_LIMIT);
        }
    }

    fn kill(&self) {
        if let Some(process) = self.slot.running() {
            process.kill();
        }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port().unwrap_or(0))
    }

    fn local_url(&self) -> String {
        self.socket().map_or_else(|| self.url(), |socket| format!("redis+unix://{socket}?db=0"))
    }

    fn pid(&self) -> Option<u32> {
        self.slot.running().map(|process| process.pid)
    }

    fn log(&self) -> &Path {
        self.slot.log()
    }
}

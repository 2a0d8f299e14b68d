//! A private Postgres.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::process::{self, Spawn};
use crate::servers::{Server, create_private, kill_leftovers, socket_dir};
use crate::slot::Slot;
use crate::unix_user::UnixUser;
use crate::{files, packages, ports, sweep, unix_user};

const USER: &str = "onsale";
const DATABASE: &str = "onsale";
/// Recovery after a crash may take its time.
const START_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// The database server of one state directory, with the database `onsale`.
#[derive(Debug)]
pub struct Postgres {
    slot: Slot,
    state_dir: PathBuf,
    dir: PathBuf,
}

impl Postgres {
    pub(crate) fn open(state_dir: &Path, dir: &Path, logs: &Path) -> Result<Self> {
        create_private(dir)?;
        let slot = Slot::open("postgres", dir.join("process.json"), logs.join("postgres.log"))?;
        Ok(Self { slot, state_dir: state_dir.to_owned(), dir: dir.to_owned() })
    }

    /// The port it listens on, once it was started.
    pub fn port(&self) -> Option<u16> {
        ports::recorded(&self.dir.join("port"))
    }

    /// Where clients connect for another database of this server.
    pub fn url_of(&self, database: &str) -> String {
        let password = self.password().unwrap_or_default();
        format!("postgres://{USER}:{password}@127.0.0.1:{}/{database}", self.port().unwrap_or(0))
    }

    /// Where processes of this machine connect for another database of this server.
    pub fn local_url_of(&self, database: &str) -> String {
        let url = self.url_of(database);
        match socket_dir(&self.dir) {
            Some(dir) => format!("{url}?host={dir}"),
            None => url,
        }
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn password(&self) -> Result<String> {
        let file = self.dir.join("password");
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let mut environment = process::base_environment(&self.state_dir);
        environment.insert("LC_ALL".to_owned(), "C".to_owned());
        environment
    }

    /// Creates the cluster when there is none. It takes its place in one step, so that an interrupted
    /// creation is begun again.
    fn initialise(&self, user: Option<&UnixUser>) -> Result<()> {
        if self.data().join("PG_VERSION").exists() {
            return Ok(());
        }
        let draft = self.dir.join("data.new");
        if draft.exists() {
            fs::remove_dir_all(&draft).with_context(|| format!("cannot remove {}", draft.display()))?;
        }
        files::write_atomically(&self.dir.join("password"), files::random_hex(16)?.as_bytes())?;
        unix_user::give(&self.dir, user)?;
        let password_file = format!("--pwfile={}", self.dir.join("password").display());
        let superuser = format!("--username={USER}");
        let draft_arg = draft.display().to_string();
        self.run(
            "initdb",
            &[
                "-D",
                &draft_arg,
                &superuser,
                &password_file,
                "--encoding=UTF8",
                "--locale=C",
                "--lc-ctype=C.UTF-8",
                "--auth=scram-sha-256",
                "--no-instructions",
                "--no-sync",
            ],
            user,
        )?;
        fs::rename(&draft, self.data()).context("cannot put the new cluster in its place")
    }

    /// Removes the lock files of a killed server, once nothing works in its data any more. Postgres takes a
    /// killed process for a running one as long as its parent has not reaped it, which may be never where
    /// process 1 is no real init.
    fn remove_stale_locks(&self, port: u16) -> Result<()> {
        if !sweep::working_in(&self.data()).is_empty() {
            bail!("another Postgres works in {}", self.data().display());
        }
        for lock in [self.data().join("postmaster.pid"), self.dir.join(format!(".s.PGSQL.{port}.lock"))] {
            match fs::remove_file(&lock) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", lock.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Creates the database, which an interrupted first start may have left out.
    fn create_database(&self, user: Option<&UnixUser>) -> Result<()> {
        let done = self.dir.join("database-created");
        if done.exists() {
            return Ok(());
        }
        let url = self.url_of("postgres");
        let query = format!("SELECT count(*) FROM pg_database WHERE datname = '{DATABASE}'");
        if self.run("psql", &["-XAtqc", &query, &url], user)?.trim() == "0" {
            self.run("psql", &["-XAtqc", &format!("CREATE DATABASE {DATABASE}"), &url], user)?;
        }
        files::write_atomically(&done, b"")
    }

    /// Runs one of Postgres' own programs to its end, and gives what it printed.
    fn run(&self, program: &str, args: &[&str], user: Option<&UnixUser>) -> Result<String> {
        let path = packages::postgres_program(program)?;
        let mut command = Command::new(&path);
        command.args(args).env_clear().envs(self.environment()).current_dir(&self.dir).stdin(Stdio::null());
        if let Some(user) = user {
            command.uid(user.uid).gid(user.gid);
        }
        let output = command.output().with_context(|| format!("cannot run {}", path.display()))?;
        if !output.status.success() {
            bail!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Written anew at each start, so that it always says what this program means.
    fn write_configuration(&self, port: u16) -> Result<()> {
        let sockets = socket_dir(&self.dir).unwrap_or_default();
        let configuration = format!(
            "# Written by onsale-stack at each start.\n\
             listen_addresses = '127.0.0.1'\n\
             port = {port}\n\
             unix_socket_directories = '{sockets}'\n\
             max_connections = 300\n\
             password_encryption = 'scram-sha-256'\n\
             shared_buffers = '256MB'\n\
             # An answered success is on disk.\n\
             fsync = on\n\
             synchronous_commit = on\n\
             full_page_writes = on\n\
             # Fewer and smaller page images in the log; recovery after a crash takes longer instead.\n\
             wal_compression = lz4\n\
             wal_buffers = '16MB'\n\
             min_wal_size = '256MB'\n\
             max_wal_size = '2GB'\n\
             checkpoint_timeout = '15min'\n\
             checkpoint_completion_target = 0.9\n\
             # Short statements on a solid-state disk.\n\
             random_page_cost = 1.1\n\
             jit = off\n\
             lc_messages = 'C'\n\
             timezone = 'UTC'\n\
             log_timezone = 'UTC'\n\
             log_line_prefix = '%m [%p] %d '\n\
             log_lock_waits = on\n\
             # Statements hold queue tokens.\n\
             log_min_error_statement = panic\n"
        );
        files::write_atomically(&self.data().join("postgresql.conf"), configuration.as_bytes())
    }
}

impl Server for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn start(&self) -> Result<()> {
        if self.slot.running().is_some() {
            return Ok(());
        }
        let user = unix_user::for_server("postgres")?;
        let program = packages::postgres_program("postgres")?;
        // Backends of a killed server would keep its shared memory, and a new one would refuse to start.
        kill_leftovers(&self.data());
        self.initialise(user.as_ref())?;
        let port = ports::kept(&self.dir.join("port"))?;
        self.remove_stale_locks(port)?;
        self.write_configuration(port)?;
        unix_user::give(&self.dir, user.as_ref())?;
        let ready_program = packages::postgres_program("pg_isready")?;
        let spawn = Spawn {
            program,
            args: vec!["-D".to_owned(), self.data().display().to_string()],
            environment: self.environment(),
            working_dir: self.data(),
            log: self.slot.log().to_owned(),
            user: user.clone(),
        };
        self.slot.start(&spawn, START_LIMIT, || {
            Command::new(&ready_program)
                .args(["-q", "-t", "2", "-h", "127.0.0.1", "-U", USER, "-d", "postgres", "-p", &port.to_string()])
                .stdin(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        })?;
        self.create_database(user.as_ref())
    }

    fn stop(&self) {
        if let Some(process) = self.slot.running() {
            // SIGINT is the "fast" shutdown: sessions are ended, then everything is written out.
            process.end(Signal::INT, STOP_LIMIT);
        }
        kill_leftovers(&self.data());
    }

    fn kill(&self) {
        if let Some(process) = self.slot.running() {
            process.kill();
        }
        kill_leftovers(&self.data());
    }

    fn url(&self) -> String {
        self.url_of(DATABASE)
    }

    fn local_url(&self) -> String {
        self.local_url_of(DATABASE)
    }

    fn pid(&self) -> Option<u32> {
        self.slot.running().map(|process| process.pid)
    }

    fn log(&self) -> &Path {
        self.slot.log()
    }
}

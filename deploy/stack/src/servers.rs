//! The three servers of a stack together.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, anyhow, bail};

use crate::postgres::Postgres;
use crate::rabbitmq::RabbitMq;
use crate::redis::Redis;
use crate::{files, sweep, unix_user};

/// Where servers keep their data when their users cannot reach the state directory.
const FALLBACK_PARENT: &str = "/var/lib/onsale";

/// One server process with its data, on a port that stays the same.
pub trait Server: Send + Sync {
    /// `postgres`, `redis` or `rabbitmq`.
    fn name(&self) -> &'static str;
    /// Starts it and waits until it serves, with the data it had; nothing happens when it runs.
    fn start(&self) -> Result<()>;
    /// Ends it in its clean way, within a bound.
    fn stop(&self);
    /// SIGKILL, as a crash would be. Data stays as it was on disk.
    fn kill(&self);
    /// Where clients connect.
    fn url(&self) -> String;
    /// Where processes of this machine connect, which is nearer than TCP where the server has a socket in the file system.
    fn local_url(&self) -> String {
        self.url()
    }
    /// Its pid while it runs.
    fn pid(&self) -> Option<u32>;
    /// Where its output goes.
    fn log(&self) -> &Path;
}

/// Longest path of a directory for sockets: the kernel allows 107 bytes with the socket's own name.
const LONGEST_SOCKET_DIR: usize = 80;

/// A directory as the place of a socket: none when its path is too long for one, or would have to be escaped in a URL.
pub(crate) fn socket_dir(dir: &Path) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    dir.to_str().filter(|path| path.len() <= LONGEST_SOCKET_DIR && path.bytes().all(plain))
}

/// How to set servers up.
#[derive(Clone, Debug, Default)]
pub struct ServersConfig {
    /// The directory that holds everything of this stack. Created when missing.
    pub state_dir: PathBuf,
    /// Virtual hosts `t0`, `t1`, … beside `/`, one for each test that wants a broker to itself.
    pub extra_vhosts: usize,
}

/// Postgres, Redis and RabbitMQ of one state directory. Dropping it kills them, unless
/// [`Servers::leave_running`] was called.
#[derive(Debug)]
pub struct Servers {
    /// The database.
    pub postgres: Postgres,
    /// The cache, waiting room and seat locks.
    pub redis: Redis,
    /// The broker.
    pub rabbitmq: RabbitMq,
    state_dir: PathBuf,
    kill_on_drop: AtomicBool,
}

impl Servers {
    /// The servers of a state directory, running or not. Starts nothing. Dropping them leaves them as they are.
    pub fn open(config: &ServersConfig) -> Result<Self> {
        let state_dir = prepare_state_dir(&config.state_dir)?;
        let logs = state_dir.join("logs");
        let data = data_dir(&state_dir)?;
        Ok(Self {
            postgres: Postgres::open(&state_dir, &data.join("postgres"), &logs)?,
            redis: Redis::open(&state_dir, &data.join("redis"), &logs)?,
            rabbitmq: RabbitMq::open(&state_dir, &data.join("rabbitmq"), &logs, config.extra_vhosts)?,
            state_dir,
            kill_on_drop: AtomicBool::new(false),
        })
    }

    /// The servers of a state directory, all running. Started at the same time, with the data they had.
    pub fn start(config: &ServersConfig) -> Result<Self> {
        let servers = Self::open(config)?;
        servers.kill_on_drop.store(true, Ordering::Relaxed);
        servers.start_all()?;
        Ok(servers)
    }

    /// Starts those that do not run, at the same time.
    pub fn start_all(&self) -> Result<()> {
        raise_file_limit();
        std::thread::scope(|scope| {
            let starts = self.each().map(|server| {
                let start = scope.spawn(|| server.start().with_context(|| format!("{} did not start", server.name())));
                (server.name(), start)
            });
            let mut failures = Vec::new();
            for (name, start) in starts {
                match start.join() {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => failures.push(format!("{error:#}")),
                    Err(_) => failures.push(format!("starting {name} panicked")),
                }
            }
            if failures.is_empty() { Ok(()) } else { Err(anyhow!(failures.join("\n"))) }
        })
    }

    /// Stops all three cleanly, at the same time.
    pub fn stop_all(&self) {
        std::thread::scope(|scope| {
            for server in self.each() {
                scope.spawn(|| server.stop());
            }
        });
    }

    /// Kills all three.
    pub fn kill_all(&self) {
        std::thread::scope(|scope| {
            for server in self.each() {
                scope.spawn(|| server.kill());
            }
        });
    }

    /// The three servers.
    pub fn each(&self) -> [&dyn Server; 3] {
        [&self.postgres, &self.redis, &self.rabbitmq]
    }

    /// The server of this name.
    pub fn by_name(&self, name: &str) -> Option<&dyn Server> {
        self.each().into_iter().find(|server| server.name() == name)
    }

    /// Dropping no longer kills the servers: they outlive this process.
    pub fn leave_running(&self) {
        self.kill_on_drop.store(false, Ordering::Relaxed);
    }

    /// The directory of this stack, absolute and without symbolic links.
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if self.kill_on_drop.load(Ordering::Relaxed) {
            self.kill_all();
        }
    }
}

/// Creates the state directory with its `logs`, and gives its absolute path without symbolic links.
pub fn prepare_state_dir(dir: &Path) -> Result<PathBuf> {
    let create = |path: &Path, mode: u32| {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(path)
            .with_context(|| format!("cannot create {}", path.display()))
    };
    create(dir, 0o755)?;
    let state_dir = dir.canonicalize().with_context(|| format!("cannot resolve {}", dir.display()))?;
    create(&state_dir.join("logs"), 0o755)?;
    Ok(state_dir)
}

/// Where the servers' data lives: `servers` in the state directory, or, when we are root and the servers'
/// users cannot pass through its parents (below `/root`, say), a link of that name to a place they can reach.
fn data_dir(state_dir: &Path) -> Result<PathBuf> {
    let data = state_dir.join("servers");
    if data.symlink_metadata().is_err() && unix_user::is_root() && !unix_user::is_open_to_all(&data) {
        let elsewhere = Path::new(FALLBACK_PARENT).join(files::random_hex(8)?);
        fs::create_dir_all(&elsewhere).with_context(|| format!("cannot create {}", elsewhere.display()))?;
        if !unix_user::is_open_to_all(&elsewhere) {
            bail!(
                "the servers must not run as root, and their users can enter neither {} nor {FALLBACK_PARENT}; \
                 choose a state directory below a path that every user may enter (--state-dir DIR)",
                state_dir.display()
            );
        }
        symlink(&elsewhere, &data).with_context(|| format!("cannot link {}", data.display()))?;
        let _ = writeln!(
            std::io::stderr(),
            "The servers' users cannot enter {}: their data is in {} instead.",
            state_dir.display(),
            elsewhere.display()
        );
    }
    fs::create_dir_all(&data).with_context(|| format!("cannot create {}", data.display()))?;
    let data = data.canonicalize().with_context(|| format!("cannot resolve {}", data.display()))?;
    if unix_user::is_root() && !unix_user::is_open_to_all(&data.join("postgres")) {
        bail!(
            "the servers must not run as root, and their users cannot enter {}; let them (chmod o+x on it and its \
             parents), or choose another state directory (--state-dir DIR)",
            data.display()
        );
    }
    Ok(data)
}

/// Raises our soft limit on open files to the hard one, which the servers inherit.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where this is refused, the servers say themselves what they lack.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Kills what still works in a server's directory: children that a killed parent left behind.
pub(crate) fn kill_leftovers(dir: &Path) {
    for process in sweep::working_in(dir) {
        process.kill();
    }
}

/// Creates a server's own directory.
pub(crate) fn create_private(dir: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot create {}", dir.display()))
}

//! `up`: from nothing to a stack that serves.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use onsale_stack::fleet::{Fleet, FleetConfig};
use onsale_stack::role::Role;
use onsale_stack::servers::{self, Servers, ServersConfig};
use onsale_stack::stack_file::StackFile;
use onsale_stack::stack_lock::StackLock;
use onsale_stack::{files, interrupt, packages, ports, process, settings};

use super::{down, watch};

/// How long another command may keep us waiting.
pub(super) const LOCK_LIMIT: Duration = Duration::from_secs(10);
/// How long processes may take until they are ready.
pub(super) const READY_LIMIT: Duration = Duration::from_secs(60);
const MIGRATE_LIMIT: Duration = Duration::from_secs(300);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Return when everything is ready, and leave it running.
    #[arg(long)]
    detach: bool,
    /// Where ingress listens on 127.0.0.1.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// How many processes of each worker role.
    #[arg(long, default_value_t = 1, value_name = "N")]
    workers: usize,
    /// How many partitions each lane has [default: ONSALE_PARTITIONS, what was used last, or 8].
    #[arg(long, value_name = "N")]
    partitions: Option<u32>,
    /// Which HTTP API ingress serves at the root path too, for clients whose base path is fixed: its name in
    /// /openapi/NAME.json [default: ONSALE_ROOT_API, or none].
    #[arg(long, value_name = "NAME")]
    root_api: Option<String>,
}

pub(crate) fn run(state_dir: &Path, options: &Options) -> Result<ExitCode> {
    let began = Instant::now();
    interrupt::listen()?;
    let state_dir = servers::prepare_state_dir(state_dir)?;
    let lock = StackLock::take(&state_dir, LOCK_LIMIT)?;
    packages::install(&packages::missing_for_servers())?;
    let servers = Servers::open(&ServersConfig { state_dir: state_dir.clone(), extra_vhosts: 0 })?;

    if let Some(fleet) = Fleet::open(&state_dir)?
        && fleet.names().iter().any(|name| fleet.pid(name).is_some())
    {
        return repair(&servers, &fleet);
    }
    let fleet = match start(&servers, options) {
        Ok(fleet) => fleet,
        Err(error) => {
            interrupt::clear();
            complain!("The start failed: taking down what had started.");
            down::take_down(&state_dir)?;
            return Err(error);
        }
    };
    drop(lock);
    say!("Ready after {:.1} s.", began.elapsed().as_secs_f64());
    announce(&StackFile::of(&servers, Some(&fleet)), &state_dir);
    if options.detach {
        say!("End it with deploy/down.");
        return Ok(ExitCode::SUCCESS);
    }
    say!("End it with Ctrl-C.");
    watch::until_interrupted(&servers, &fleet)
}

fn start(servers: &Servers, options: &Options) -> Result<Fleet> {
    let state_dir = servers.state_dir();
    let bin_dir = bin_dir()?;
    // What an interrupted command left, if anything.
    down::take_down(state_dir)?;
    if !ports::is_free(options.port) {
        bail!(
            "port {} is in use on 127.0.0.1; choose another one: deploy/up --port {}",
            options.port,
            options.port.wrapping_add(1)
        );
    }
    for name in settings::overruled() {
        complain!("{name} is set by this stack itself: yours is not used.");
    }
    let began = Instant::now();
    servers.start_all()?;
    say!("Postgres, Redis and RabbitMQ run ({:.1} s).", began.elapsed().as_secs_f64());

    let mut environment = settings::environment(servers, options.partitions)?;
    if let Some(name) = &options.root_api {
        environment.insert("ONSALE_ROOT_API".to_owned(), name.clone());
    }
    let config = FleetConfig { state_dir: state_dir.to_owned(), bin_dir, http_port: Some(options.port), environment };
    migrate(&config)?;
    let fleet = Fleet::new(config)?;
    fleet.leave_running();
    for role in Role::ALL {
        let count = if Role::WORKERS.contains(&role) { options.workers } else { 1 };
        for _ in 0..count {
            fleet.add(role, &[])?;
        }
    }
    fleet.wait_ready(READY_LIMIT)?;
    StackFile::of(servers, Some(&fleet)).write()?;
    Ok(fleet)
}

/// Creates or updates the schema, and loads the demo data.
fn migrate(config: &FleetConfig) -> Result<()> {
    let began = Instant::now();
    let program = config.bin_dir.join("migrate");
    let log_path = config.state_dir.join("logs/migrate.log");
    let log: File = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log_path)
        .with_context(|| format!("cannot write {}", log_path.display()))?;
    let mut child = Command::new(&program)
        .arg("--demo")
        .env_clear()
        .envs(process::base_environment(&config.state_dir))
        .envs(&config.environment)
        .current_dir(&config.state_dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if interrupt::requested() || began.elapsed() > MIGRATE_LIMIT {
            child.kill()?;
            child.wait()?;
            bail!("migrating was interrupted after {} s", began.elapsed().as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    if !status.success() {
        bail!("migrating failed ({status}); its last lines:\n{}", files::log_tail(&log_path, 15));
    }
    say!("Schema and demo data are there ({:.1} s).", began.elapsed().as_secs_f64());
    Ok(())
}

/// A stack that runs already: starts what has died of it.
fn repair(servers: &Servers, fleet: &Fleet) -> Result<ExitCode> {
    let state_dir = servers.state_dir();
    fleet.leave_running();
    let mut dead: Vec<String> =
        servers.each().iter().filter(|server| server.pid().is_none()).map(|server| server.name().to_owned()).collect();
    servers.start_all()?;
    for name in fleet.names() {
        if fleet.pid(&name).is_none() {
            fleet.start(&name)?;
            dead.push(name);
        }
    }
    let ready = fleet.wait_ready(READY_LIMIT);
    let stack = StackFile::of(servers, Some(fleet));
    stack.write()?;
    ready?;
    let started = if dead.is_empty() { String::new() } else { format!(" Started what had died: {}.", dead.join(", ")) };
    say!("This stack runs already, with the options that it was started with.{started}");
    say!("Other options take a new start after deploy/down; deploy/scale changes how many processes a role has.");
    announce(&stack, state_dir);
    Ok(ExitCode::SUCCESS)
}

/// The binaries stand beside this one.
fn bin_dir() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program's own path")?;
    let dir = own.parent().context("this program has no directory")?.to_owned();
    let lacking: Vec<&str> =
        Role::ALL.map(Role::as_str).into_iter().chain(["migrate"]).filter(|name| !dir.join(name).is_file()).collect();
    if !lacking.is_empty() {
        bail!("{} lacks {}; build them: cargo build --release --workspace --bins", dir.display(), lacking.join(", "));
    }
    Ok(dir)
}

fn announce(stack: &StackFile, state_dir: &Path) {
    let http = stack.http.as_deref().unwrap_or_default();
    say!("");
    say!("  HTTP       {http}");
    say!("  AMQP       {}", stack.amqp);
    say!("  Postgres   {}", stack.postgres);
    say!("  Redis      {}", stack.redis);
    say!("  All of it  {}", StackFile::path(state_dir).display());
    say!("  Logs       {}", stack.logs.display());
    say!("");
    say!("A first request:");
    say!("");
    say!(
        "  curl -s {http}/api/v1/queue/tokens -H 'content-type: application/json' -d '{{\"userId\":1,\"scheduleId\":1}}'"
    );
    say!("");
}

//! Finds the servers' programs, and installs the Debian packages that a machine lacks.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::unix_user;

const POSTGRES_ROOT: &str = "/usr/lib/postgresql";
/// Not the wrapper in `/usr/sbin`, which insists on root or the rabbitmq user.
const RABBITMQ_SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// Debian asks this script before a package starts its service.
const SERVICE_POLICY: &str = "/usr/sbin/policy-rc.d";
/// One that lets none start.
const NO_SERVICES: &str = "#!/bin/sh\n# Of onsale-stack, while it installs packages.\nexit 101\n";

/// A program by its name, looked up in `PATH` and the system's own directories.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("the program `{name}` is not installed"))
}

/// One of the programs of the newest Postgres on this machine.
pub fn postgres_program(name: &str) -> Result<PathBuf> {
    let newest = fs::read_dir(POSTGRES_ROOT)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let path = entry.path().join("bin").join(name);
            path.is_file().then_some((version, path))
        })
        .max();
    newest.map(|(_, path)| path).with_context(|| format!("Postgres' `{name}` is not installed below {POSTGRES_ROOT}"))
}

/// The Redis server.
pub fn redis_server() -> Result<PathBuf> {
    program("redis-server")
}

/// The script that becomes the RabbitMQ server.
pub fn rabbitmq_server() -> Result<PathBuf> {
    let path = PathBuf::from(RABBITMQ_SERVER);
    if path.is_file() { Ok(path) } else { bail!("{RABBITMQ_SERVER} is not installed") }
}

/// The Debian packages of the servers that this machine lacks.
pub fn missing_for_servers() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if postgres_program("postgres").is_err() {
        missing.push("postgresql");
    }
    if redis_server().is_err() {
        missing.push("redis-server");
    }
    if rabbitmq_server().is_err() {
        missing.push("rabbitmq-server");
    }
    if program("setsid").is_err() || program("chrt").is_err() {
        missing.push("util-linux");
    }
    missing
}

/// Installs the Debian packages, without starting the services they bring. Nothing happens for none.
pub fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if program("apt-get").is_err() {
        bail!("this machine lacks what the Debian packages {list} hold, and has no apt-get; install them by hand");
    }
    let sudo = (!unix_user::is_root()).then(|| program("sudo")).transpose().map_err(|_| {
        anyhow::anyhow!("this machine lacks packages, and we may not install them; run as root: apt-get install {list}")
    })?;
    let _ = writeln!(
        std::io::stderr(),
        "Installing {list} (their own services are not started; this stack runs private ones)."
    );
    let guard = ServicesHeldBack::new(sudo.as_deref())?;
    let result = apt(sudo.as_deref(), &["update", "-qq"]).and_then(|()| {
        apt(sudo.as_deref(), &[&["install", "-y", "-qq", "--no-install-recommends"], packages].concat())
    });
    drop(guard);
    result.with_context(|| format!("could not install {list}"))
}

fn apt(sudo: Option<&Path>, args: &[&str]) -> Result<()> {
    let mut command = as_root(sudo, "apt-get");
    if sudo.is_none() {
        command.env("DEBIAN_FRONTEND", "noninteractive");
    }
    let output = command
        .args(args)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run apt-get {}", args.join(" ")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().rev().take(8).collect();
    bail!("apt-get {} failed:\n{}", args.join(" "), last.into_iter().rev().collect::<Vec<_>>().join("\n"))
}

fn as_root(sudo: Option<&Path>, program: &str) -> Command {
    match sudo {
        None => Command::new(program),
        Some(sudo) => {
            let mut command = Command::new(sudo);
            command.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive", program]);
            command
        }
    }
}

/// While it lives, Debian starts no service that a package brings. A policy that the machine has already is
/// left alone, but for one of ours that a killed run left.
struct ServicesHeldBack<'a> {
    sudo: Option<&'a Path>,
    ours: bool,
}

impl<'a> ServicesHeldBack<'a> {
    fn new(sudo: Option<&'a Path>) -> Result<Self> {
        let ours = match fs::read_to_string(SERVICE_POLICY) {
            Ok(policy) => policy == NO_SERVICES,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if ours {
            let draft = std::env::temp_dir().join(format!("onsale-policy-{}", std::process::id()));
            fs::write(&draft, NO_SERVICES).context("cannot write a service policy")?;
            fs::set_permissions(&draft, fs::Permissions::from_mode(0o755))?;
            let installed = as_root(sudo, "install")
                .args(["-m", "755"])
                .arg(&draft)
                .arg(SERVICE_POLICY)
                .stdin(Stdio::null())
                .status();
            fs::remove_file(&draft)?;
            if !installed.is_ok_and(|status| status.success()) {
                bail!("cannot write {SERVICE_POLICY}, which keeps packages from starting their services");
            }
        }
        Ok(Self { sudo, ours })
    }
}

impl Drop for ServicesHeldBack<'_> {
    fn drop(&mut self) {
        if self.ours {
            let removed = as_root(self.sudo, "rm").arg(SERVICE_POLICY).stdin(Stdio::null()).status();
            if !removed.is_ok_and(|status| status.success()) {
                let _ = writeln!(std::io::stderr(), "Could not remove {SERVICE_POLICY} again; please do.");
            }
        }
    }
}

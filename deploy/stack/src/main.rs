//! `onsale-stack`: starts, changes and ends a private Onsale stack. The scripts in `deploy/` call it.

/// Prints a line. A reader that has gone (`deploy/up | head -1`) must not stop a start halfway.
macro_rules! say {
    ($($format:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($format)*);
    }};
}

/// Prints a line of diagnostics, under the same rule.
macro_rules! complain {
    ($($format:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($format)*);
    }};
}

mod commands;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use onsale_stack::role::Role;

/// A private Onsale stack on this machine: Postgres, Redis, RabbitMQ and every Onsale process.
#[derive(Debug, Parser)]
#[command(name = "onsale-stack", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct StateDir {
    /// The directory that holds everything of the stack.
    #[arg(long, env = "ONSALE_STATE_DIR", value_name = "DIR", default_value = ".onsale")]
    state_dir: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the stack, or what has died of it.
    Up {
        #[command(flatten)]
        at: StateDir,
        #[command(flatten)]
        options: commands::up::Options,
    },
    /// Takes the stack down and leaves no process behind.
    Down {
        #[command(flatten)]
        at: StateDir,
    },
    /// Brings a role to a number of processes.
    Scale {
        /// ingress, admission, reservation, payment, account, catalog or cron.
        role: Role,
        /// How many processes are to run.
        count: usize,
        #[command(flatten)]
        at: StateDir,
    },
    /// Says what runs.
    Status {
        #[command(flatten)]
        at: StateDir,
    },
    /// Starts a process or server that was killed or has died.
    Start {
        /// A name from `status`, such as payment-2 or rabbitmq.
        name: String,
        #[command(flatten)]
        at: StateDir,
    },
    /// Kills a process or server with SIGKILL, as a crash would.
    Kill {
        /// A name from `status`, such as payment-2 or rabbitmq.
        name: String,
        #[command(flatten)]
        at: StateDir,
    },
    /// Starts the servers only, and prints where they are as JSON; or runs a command with them.
    Servers {
        #[command(flatten)]
        at: StateDir,
        #[command(flatten)]
        options: commands::servers::Options,
    },
    /// Installs the Debian packages this machine lacks.
    Install {
        /// Also what the examples in other languages need.
        #[arg(long)]
        with_test_tools: bool,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            complain!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up { at, options } => commands::up::run(&at.state_dir, &options),
        Command::Down { at } => commands::down::run(&at.state_dir),
        Command::Scale { role, count, at } => commands::change::scale(&at.state_dir, role, count),
        Command::Status { at } => commands::change::status(&at.state_dir),
        Command::Start { name, at } => commands::change::start(&at.state_dir, &name),
        Command::Kill { name, at } => commands::change::kill(&at.state_dir, &name),
        Command::Servers { at, options } => commands::servers::run(&at.state_dir, &options),
        Command::Install { with_test_tools } => commands::install::run(with_test_tools),
    }
}

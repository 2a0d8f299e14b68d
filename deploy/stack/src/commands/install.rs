//! `install`: the Debian packages this machine lacks.

use std::process::{Command, ExitCode, Stdio};

use anyhow::Result;
use onsale_stack::{interrupt, packages};

pub(crate) fn run(with_test_tools: bool) -> Result<ExitCode> {
    // What an installation changes on the way is undone when somebody ends it.
    interrupt::listen()?;
    let mut missing = packages::missing_for_servers();
    if with_test_tools {
        missing.extend(missing_test_tools());
    }
    packages::install(&missing)?;
    Ok(ExitCode::SUCCESS)
}

fn missing_test_tools() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if !works("python3", &["-c", "import ensurepip, venv"]) {
        missing.push("python3-venv");
    }
    if !works("node", &["--version"]) {
        missing.push("nodejs");
    }
    if !works("npm", &["--version"]) {
        missing.push("npm");
    }
    missing
}

fn works(program: &str, args: &[&str]) -> bool {
    let status =
        Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

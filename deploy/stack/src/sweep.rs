//! Finds processes of a stack that no record names, by the mark in their environment.

use std::fs;
use std::path::Path;

use crate::process::Identity;

/// The variable that marks every process of a stack with its state directory.
pub(crate) const MARK: &str = "ONSALE_STACK_DIR";
/// The variable that marks every process below a test run with the file of its shared servers.
pub const TEST_MARK: &str = "ONSALE_TEST_SERVERS";

/// Every live process of the stack in `state_dir`, recorded or not.
pub fn of_stack(state_dir: &Path) -> Vec<Identity> {
    marked(MARK, &state_dir.display().to_string())
}

/// Every live process that was started, at any depth, below the test run with this file of servers.
pub fn of_test_run(servers_file: &Path) -> Vec<Identity> {
    marked(TEST_MARK, &servers_file.display().to_string())
}

/// Every live process that works in `dir`. Postgres writes over its environment, but stays in its data.
pub(crate) fn working_in(dir: &Path) -> Vec<Identity> {
    others().filter(|process| fs::read_link(format!("/proc/{}/cwd", process.pid)).is_ok_and(|cwd| cwd == dir)).collect()
}

fn marked(name: &str, value: &str) -> Vec<Identity> {
    let wanted = format!("{name}={value}");
    others()
        .filter(|process| {
            fs::read(format!("/proc/{}/environ", process.pid))
                .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes()))
        })
        .collect()
}

fn others() -> impl Iterator<Item = Identity> {
    let own = std::process::id();
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(move |pid| *pid != own)
        .filter_map(Identity::of)
}

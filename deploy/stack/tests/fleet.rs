//! Processes as an operator and a fault test handle them, with a stand-in for the real ones.

#![allow(clippy::unwrap_used)] // helpers of tests, which the exception for tests does not reach

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use onsale_stack::fleet::{Fleet, FleetConfig};
use onsale_stack::role::Role;
use onsale_stack::{ports, sweep};

const LIMIT: Duration = Duration::from_secs(10);

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("onsale-fleet-{name}-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("bin")).unwrap();
        let test = std::env::current_exe().unwrap();
        let fake = test.parent().unwrap().parent().unwrap().join("examples/fake_process");
        assert!(fake.exists(), "build it first: cargo build -p onsale-stack --examples");
        for role in Role::ALL {
            symlink(&fake, dir.join("bin").join(role.as_str())).unwrap();
        }
        Self(dir)
    }

    fn fleet(&self, variable: (&str, &str)) -> Fleet {
        let environment = BTreeMap::from([(variable.0.to_owned(), variable.1.to_owned())]);
        let bin_dir = self.0.join("bin");
        Fleet::new(FleetConfig { state_dir: self.0.clone(), bin_dir, http_port: None, environment }).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn a_killed_process_starts_again_under_its_name_and_port() {
    let scratch = Scratch::new("kill");
    let fleet = scratch.fleet(("ONSALE_HOLD_TTL_S", "5"));
    for role in Role::ALL {
        assert_eq!(fleet.add(role, &[]).unwrap(), role.as_str());
    }
    fleet.wait_ready(LIMIT).unwrap();
    let (pid, port) = (fleet.pid("payment").unwrap(), fleet.port("payment").unwrap());
    let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    assert!(environment.split('\0').any(|entry| entry == "ONSALE_HOLD_TTL_S=5"));

    fleet.kill("payment").unwrap();
    assert_eq!(fleet.pid("payment"), None);
    assert!(!fleet.is_ready("payment"));
    fleet.start("payment").unwrap();
    fleet.wait_ready(LIMIT).unwrap();
    assert_ne!(fleet.pid("payment"), Some(pid));
    assert_eq!(fleet.port("payment"), Some(port));

    let state_dir = fleet.config().state_dir;
    assert_eq!(sweep::of_stack(&state_dir).len(), Role::ALL.len());
    drop(fleet);
    assert_eq!(sweep::of_stack(&state_dir), []);
}

#[test]
fn a_role_scales_up_and_down_from_another_command() {
    let scratch = Scratch::new("scale");
    let first = scratch.fleet(("ONSALE_PARTITIONS", "8"));
    first.add(Role::Reservation, &["--partitions", "0-3"]).unwrap();
    first.leave_running();
    let state_dir = first.config().state_dir;
    drop(first);

    let other = Fleet::open(&state_dir).unwrap().unwrap();
    other.scale(Role::Reservation, 3, LIMIT).unwrap();
    assert_eq!(other.names(), ["reservation", "reservation-2", "reservation-3"]);
    other.scale(Role::Reservation, 1, LIMIT).unwrap();
    assert_eq!(other.names(), ["reservation"]);
    let pid = other.pid("reservation").unwrap();
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(command.ends_with("--partitions\x000-3\0"), "{command:?}");
    other.stop_all().unwrap();
    assert_eq!(sweep::of_stack(&state_dir), []);
}

#[test]
fn a_process_that_dies_while_it_starts_is_named_with_its_last_words() {
    let scratch = Scratch::new("death");
    let fleet = scratch.fleet(("ONSALE_FAKE_FAILURE", "ONSALE_HOLD_TTL_S is not a number"));
    fleet.add(Role::Cron, &[]).unwrap();
    let message = fleet.wait_ready(LIMIT).unwrap_err().to_string();
    assert!(message.starts_with("cron ended"), "{message}");
    assert!(message.contains("ONSALE_HOLD_TTL_S is not a number"), "{message}");
}

#[test]
fn an_ingress_does_not_move_from_the_port_it_was_given() {
    let scratch = Scratch::new("port");
    let port = ports::free_port().unwrap();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let bin_dir = scratch.0.join("bin");
    let config =
        FleetConfig { state_dir: scratch.0.clone(), bin_dir, http_port: Some(port), environment: BTreeMap::new() };
    let message = Fleet::new(config).unwrap().add(Role::Ingress, &[]).unwrap_err().to_string();
    assert!(message.contains(&format!("port {port} is in use")), "{message}");
}

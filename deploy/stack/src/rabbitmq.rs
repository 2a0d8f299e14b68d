//! A private RabbitMQ, with an Erlang port mapper of its own.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde_json::json;

use crate::process::{self, Spawn};
use crate::servers::{Server, create_private, kill_leftovers};
use crate::slot::Slot;
use crate::{files, packages, ports, probe, unix_user};

const USER: &str = "guest";
const PASSWORD: &str = "guest";
/// The same everywhere: the port mapper is private, and the data is filed under this name.
const NODE: &str = "onsale@localhost";
const START_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(30);
const MAPPER_LIMIT: Duration = Duration::from_secs(10);

/// The broker of one state directory.
#[derive(Debug)]
pub struct RabbitMq {
    slot: Slot,
    /// `epmd`, through which Erlang nodes find each other. It would outlive its broker.
    mapper: Slot,
    state_dir: PathBuf,
    dir: PathBuf,
    extra_vhosts: usize,
}

impl RabbitMq {
    pub(crate) fn open(state_dir: &Path, dir: &Path, logs: &Path, extra_vhosts: usize) -> Result<Self> {
        create_private(dir)?;
        let slot = Slot::open("rabbitmq", dir.join("process.json"), logs.join("rabbitmq.log"))?;
        let mapper = Slot::open("epmd", dir.join("epmd.json"), logs.join("epmd.log"))?;
        Ok(Self { slot, mapper, state_dir: state_dir.to_owned(), dir: dir.to_owned(), extra_vhosts })
    }

    /// The AMQP port it listens on, once it was started.
    pub fn port(&self) -> Option<u16> {
        ports::recorded(&self.dir.join("port"))
    }

    /// Where clients connect for a virtual host.
    pub fn url_of(&self, vhost: &str) -> String {
        format!("amqp://{USER}:{PASSWORD}@127.0.0.1:{}/{}", self.port().unwrap_or(0), vhost.replace('/', "%2f"))
    }

    /// The extra virtual hosts of the configuration.
    pub fn extra_vhosts(&self) -> Vec<String> {
        (0..self.extra_vhosts).map(|number| format!("t{number}")).collect()
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn write_configuration(&self, port: u16) -> Result<()> {
        let configuration = format!(
            "# Written by onsale-stack at each start.\n\
             listeners.tcp.local = 127.0.0.1:{port}\n\
             definitions.import_backend = local_filesystem\n\
             definitions.local.path = {definitions}\n\
             definitions.skip_if_unchanged = true\n\
             # Publishers are blocked before the broker crowds the rest of the machine out.\n\
             vm_memory_high_watermark.relative = 0.3\n\
             disk_free_limit.absolute = 256MB\n\
             # Quorum queues keep what their log has not rolled over in memory; the default is 512 MB.\n\
             raft.wal_max_size_bytes = 67108864\n\
             log.console = true\n\
             log.console.level = info\n\
             log.file = false\n",
            definitions = self.path("definitions.json"),
        );
        files::write_atomically(&self.dir.join("rabbitmq.conf"), configuration.as_bytes())?;
        files::write_atomically(&self.dir.join("enabled_plugins"), b"[].\n")?;
        let vhosts: Vec<String> = std::iter::once("/".to_owned()).chain(self.extra_vhosts()).collect();
        let permissions =
            |vhost: &String| json!({"user": USER, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"});
        let definitions = json!({
            "users": [{"name": USER, "password": PASSWORD, "tags": ["administrator"]}],
            "vhosts": vhosts.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
            "permissions": vhosts.iter().map(permissions).collect::<Vec<_>>(),
        });
        files::write_json(&self.dir.join("definitions.json"), &definitions)
    }

    fn environment(&self, port: u16, distribution_port: u16, mapper_port: u16) -> BTreeMap<String, String> {
        let mut environment = process::base_environment(&self.state_dir);
        let mut set = |name: &str, value: String| environment.insert(name.to_owned(), value);
        set("HOME", self.path("home"));
        set("LANG", "C.UTF-8".to_owned());
        set("ERL_EPMD_PORT", mapper_port.to_string());
        set("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned());
        set("RABBITMQ_NODENAME", NODE.to_owned());
        set("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned());
        set("RABBITMQ_NODE_PORT", port.to_string());
        set("RABBITMQ_DIST_PORT", distribution_port.to_string());
        set("RABBITMQ_MNESIA_BASE", self.path("mnesia"));
        set("RABBITMQ_LOG_BASE", self.path("log"));
        set("RABBITMQ_CONFIG_FILE", self.path("rabbitmq.conf"));
        set("RABBITMQ_ADVANCED_CONFIG_FILE", self.path("advanced.config"));
        set("RABBITMQ_ENABLED_PLUGINS_FILE", self.path("enabled_plugins"));
        set("RABBITMQ_GENERATED_CONFIG_DIR", self.path("generated"));
        // The machine's own broker settings are not ours.
        set("RABBITMQ_CONF_ENV_FILE", self.path("none.conf"));
        set("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}".to_owned());
        set("RABBITMQ_LOG", "info,-color".to_owned());
        // A failed start would wait for its dump.
        set("ERL_CRASH_DUMP_SECONDS", "0".to_owned());
        // Bound schedulers of two brokers would share one core while another idles.
        set("RABBITMQ_SCHEDULER_BIND_TYPE", "u".to_owned());
        // The script then becomes the broker, instead of staying as its parent.
        set("RUNNING_UNDER_SYSTEMD", "true".to_owned());
        environment
    }

    /// Runs a port mapper, and gives its port.
    fn start_mapper(&self, spawn: &Spawn) -> Result<u16> {
        let file = self.dir.join("epmd-port");
        if self.mapper.running().is_some()
            && let Some(port) = ports::recorded(&file)
        {
            return Ok(port);
        }
        let port = ports::kept(&file)?;
        let args = ["-address", "127.0.0.1", "-port"].map(str::to_owned).into_iter().chain([port.to_string()]);
        let spawn = Spawn {
            program: packages::program("epmd").context("RabbitMQ's Erlang is not complete")?,
            args: args.collect(),
            log: self.mapper.log().to_owned(),
            ..spawn.clone()
        };
        // Asked by connecting: trying to take the port could take it from the mapper itself.
        self.mapper.start(&spawn, MAPPER_LIMIT, || TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(port)
    }
}

impl Server for RabbitMq {
    fn name(&self) -> &'static str {
        "rabbitmq"
    }

    fn start(&self) -> Result<()> {
        if self.slot.running().is_some() {
            return Ok(());
        }
        let user = unix_user::for_server("rabbitmq")?;
        let program = packages::rabbitmq_server()?;
        for dir in ["home", "mnesia", "log", "generated"] {
            create_private(&self.dir.join(dir))?;
        }
        // One that somebody else started here again is not known to us, and would share our data.
        kill_leftovers(&self.dir);
        let port = ports::kept(&self.dir.join("port"))?;
        let distribution_port = ports::kept(&self.dir.join("distribution-port"))?;
        self.write_configuration(port)?;
        unix_user::give(&self.dir, user.as_ref())?;
        let mut spawn = Spawn {
            program,
            args: Vec::new(),
            environment: process::base_environment(&self.state_dir),
            working_dir: self.dir.clone(),
            log: self.slot.log().to_owned(),
            user,
        };
        let mapper_port = self.start_mapper(&spawn)?;
        spawn.environment = self.environment(port, distribution_port, mapper_port);
        self.slot.start(&spawn, START_LIMIT, || probe::amqp_answers(port))
    }

    fn stop(&self) {
        if let Some(process) = self.slot.running() {
            process.end(Signal::TERM, STOP_LIMIT);
        }
        if let Some(mapper) = self.mapper.running() {
            mapper.end(Signal::TERM, Duration::from_secs(2));
        }
        kill_leftovers(&self.dir);
    }

    fn kill(&self) {
        for process in [self.slot.running(), self.mapper.running()].into_iter().flatten() {
            process.kill();
        }
        kill_leftovers(&self.dir);
    }

    fn url(&self) -> String {
        self.url_of("/")
    }

    fn pid(&self) -> Option<u32> {
        self.slot.running().map(|process| process.pid)
    }

    fn log(&self) -> &Path {
        self.slot.log()
    }
}

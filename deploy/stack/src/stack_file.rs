//! `stack.json`: where everything of a running stack is, for any reader.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::files;
use crate::fleet::Fleet;
use crate::role::Role;
use crate::servers::Servers;

/// The content of `stack.json`. It holds secrets: its owner alone may read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StackFile {
    /// Where the API is; absent when only servers run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// The broker, with virtual host `/`.
    pub amqp: String,
    /// The database.
    pub postgres: String,
    /// The cache, with database 0.
    pub redis: String,
    /// How many partitions each lane has.
    pub partitions: u32,
    /// The key of the administrative routes; absent when only servers run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_key: Option<String>,
    /// The pid of each running process by its name, servers too.
    pub pids: BTreeMap<String, u32>,
    /// Where each process answers `/health/ready`, `/health/live` and `/metrics`.
    pub health: BTreeMap<String, String>,
    /// Virtual hosts beside `/`.
    pub vhosts: Vec<String>,
    /// The directory of the logs, one file for each process.
    pub logs: PathBuf,
    /// The directory of the stack.
    pub state_dir: PathBuf,
}

impl StackFile {
    /// What is true now for these servers and, where there is one, this fleet.
    pub fn of(servers: &Servers, fleet: Option<&Fleet>) -> Self {
        let mut pids: BTreeMap<String, u32> =
            servers.each().iter().filter_map(|server| Some((server.name().to_owned(), server.pid()?))).collect();
        let mut health = BTreeMap::new();
        let mut environment = BTreeMap::new();
        let mut http = None;
        if let Some(fleet) = fleet {
            for name in fleet.names() {
                pids.extend(fleet.pid(&name).map(|pid| (name.clone(), pid)));
                health.extend(fleet.health_url(&name).map(|url| (name.clone(), url)));
            }
            environment = fleet.config().environment;
            http = fleet.health_url(Role::Ingress.as_str());
        }
        let [postgres, redis, rabbitmq] = servers.each().map(|server| server.url());
        Self {
            http,
            amqp: rabbitmq,
            postgres,
            redis,
            partitions: environment.get("ONSALE_PARTITIONS").and_then(|count| count.parse().ok()).unwrap_or(8),
            admin_key: environment.get("ONSALE_ADMIN_KEY").cloned(),
            pids,
            health,
            vhosts: servers.rabbitmq.extra_vhosts(),
            logs: servers.state_dir().join("logs"),
            state_dir: servers.state_dir().to_owned(),
        }
    }

    /// Where the file of a state directory is.
    pub fn path(state_dir: &Path) -> PathBuf {
        state_dir.join("stack.json")
    }

    /// Reads such a file.
    pub fn read(path: &Path) -> Result<Self> {
        files::read_json(path)?.with_context(|| format!("there is no {}", path.display()))
    }

    /// Writes it to its state directory, in one step.
    pub fn write(&self) -> Result<()> {
        files::write_json(&Self::path(&self.state_dir), self)
    }

    /// The broker with another virtual host.
    pub fn amqp_of(&self, vhost: &str) -> String {
        with_last_segment(&self.amqp, &vhost.replace('/', "%2f"))
    }

    /// The database server with another database.
    pub fn postgres_of(&self, database: &str) -> String {
        with_last_segment(&self.postgres, database)
    }

    /// The cache with another database (0 to 255).
    pub fn redis_of(&self, database: u8) -> String {
        with_last_segment(&self.redis, &database.to_string())
    }
}

fn with_last_segment(url: &str, segment: &str) -> String {
    let base = url.rsplit_once('/').map_or(url, |(base, _)| base);
    format!("{base}/{segment}")
}

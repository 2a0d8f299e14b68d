//! One named process of a fleet: what is needed to run it, and to run it again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::fleet::FleetConfig;
use crate::process::{self, Identity, Spawn};
use crate::role::Role;

/// One named process, running or not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) role: Role,
    /// Of its health listener, and of its API when it is an ingress. Kept when it is started again.
    pub(crate) port: u16,
    pub(crate) args: Vec<String>,
    pub(crate) identity: Option<Identity>,
}

impl Member {
    pub(crate) fn running(&self) -> Option<Identity> {
        self.identity.filter(|identity| identity.is_alive())
    }

    pub(crate) fn spawn(&self, config: &FleetConfig, name: &str) -> Spawn {
        let mut environment = process::base_environment(&config.state_dir);
        // For the processes' allocator: memory is taken as it is used, and not an arena at once, which is half as much for a
        // process that idles.
        environment.insert("MIMALLOC_ARENA_EAGER_COMMIT".to_owned(), "0".to_owned());
        environment.extend(config.environment.clone());
        let listen = if self.role == Role::Ingress { "ONSALE_HTTP_LISTEN" } else { "ONSALE_OPS_LISTEN" };
        environment.insert(listen.to_owned(), format!("127.0.0.1:{}", self.port));
        Spawn {
            program: config.bin_dir.join(self.role.as_str()),
            args: self.args.clone(),
            environment,
            working_dir: config.state_dir.clone(),
            log: log_of(&config.state_dir, name),
            user: None,
        }
    }
}

/// Where the output of a process goes.
pub(crate) fn log_of(state_dir: &Path, name: &str) -> PathBuf {
    state_dir.join("logs").join(format!("{name}.log"))
}

//! What a state directory remembers from one start to the next, and the environment every process gets.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::files;
use crate::servers::{Server, Servers};

/// Variables the stack sets itself for every process.
const SET_HERE: [&str; 5] =
    ["ONSALE_AMQP_URL", "ONSALE_POSTGRES_URL", "ONSALE_REDIS_URL", "ONSALE_HTTP_LISTEN", "ONSALE_OPS_LISTEN"];
const DEFAULT_PARTITIONS: u32 = 8;
const PARTITIONS_MAX: u32 = 1024;

/// Made once, so that tokens and queues of an earlier start stay good.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Remembered {
    jwt_secret: Option<String>,
    admin_key: Option<String>,
    partitions: Option<u32>,
}

/// The `ONSALE_…` variables for every process: what the operator set, then what belongs to this stack.
/// `partitions` wins over the operator's environment, which wins over what was used last.
pub fn environment(servers: &Servers, partitions: Option<u32>) -> Result<BTreeMap<String, String>> {
    let texts =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let operators = texts.filter(|(name, _)| name.starts_with("ONSALE_"));
    let environment = compose(operators, servers.state_dir(), partitions)?;
    let mut environment = environment;
    environment.insert("ONSALE_AMQP_URL".to_owned(), servers.rabbitmq.url());
    environment.insert("ONSALE_POSTGRES_URL".to_owned(), servers.postgres.local_url());
    environment.insert("ONSALE_REDIS_URL".to_owned(), servers.redis.local_url());
    Ok(environment)
}

/// Variables the operator set which this stack sets itself, and therefore does not pass on.
pub fn overruled() -> Vec<&'static str> {
    SET_HERE.into_iter().filter(|name| std::env::var_os(name).is_some()).collect()
}

fn compose(
    operators: impl Iterator<Item = (String, String)>,
    state_dir: &Path,
    partitions: Option<u32>,
) -> Result<BTreeMap<String, String>> {
    let mut environment: BTreeMap<String, String> = operators
        .filter(|(name, _)| !SET_HERE.contains(&name.as_str()))
        .filter(|(name, _)| !name.starts_with("ONSALE_TEST_") && !name.starts_with("ONSALE_STA"))
        .collect();
    let file = state_dir.join("settings.json");
    let mut remembered: Remembered = files::read_json(&file)?.unwrap_or_default();

    let given = match environment.get("ONSALE_PARTITIONS") {
        Some(text) => Some(text.parse().with_context(|| format!("ONSALE_PARTITIONS is `{text}`, not a number"))?),
        None => None,
    };
    let partitions = partitions.or(given).or(remembered.partitions).unwrap_or(DEFAULT_PARTITIONS);
    // Before it is remembered: the processes refuse more.
    if !(1..=PARTITIONS_MAX).contains(&partitions) {
        bail!("there must be 1 to {PARTITIONS_MAX} partitions, not {partitions} (--partitions, ONSALE_PARTITIONS)");
    }
    remembered.partitions = Some(partitions);
    let jwt_secret = remember(&mut remembered.jwt_secret)?;
    let admin_key = remember(&mut remembered.admin_key)?;
    files::write_json(&file, &remembered)?;

    environment.insert("ONSALE_PARTITIONS".to_owned(), partitions.to_string());
    environment.entry("ONSALE_JWT_SECRET".to_owned()).or_insert(jwt_secret);
    environment.entry("ONSALE_ADMIN_KEY".to_owned()).or_insert(admin_key);
    Ok(environment)
}

fn remember(secret: &mut Option<String>) -> Result<String> {
    let value = match secret.take() {
        Some(value) => value,
        None => files::random_hex(32)?,
    };
    *secret = Some(value.clone());
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn secrets_and_partitions_stay_from_start_to_start_unless_given() {
        let dir = std::env::temp_dir().join(format!("onsale-settings-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let first = compose(vars(&[("ONSALE_HOLD_TTL_S", "5")]).into_iter(), &dir, Some(16)).unwrap();
        assert_eq!(first["ONSALE_HOLD_TTL_S"], "5");
        assert_eq!(first["ONSALE_PARTITIONS"], "16");
        let given = vars(&[("ONSALE_ADMIN_KEY", "mine"), ("ONSALE_POSTGRES_URL", "elsewhere")]);
        let second = compose(given.into_iter(), &dir, None).unwrap();
        assert_eq!(second["ONSALE_PARTITIONS"], "16");
        assert_eq!(second["ONSALE_JWT_SECRET"], first["ONSALE_JWT_SECRET"]);
        assert_eq!(second["ONSALE_ADMIN_KEY"], "mine");
        assert!(!second.contains_key("ONSALE_POSTGRES_URL") && !second.contains_key("ONSALE_HOLD_TTL_S"));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

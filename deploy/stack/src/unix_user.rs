//! The unprivileged users the servers run as, when we are root.

use std::fs;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;

use anyhow::{Context, Result};

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixUser {
    /// Its name.
    pub name: String,
    /// Its user id.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The user a server is to run as: `name` when we are root, ourselves (`None`) otherwise.
pub fn for_server(name: &str) -> Result<Option<UnixUser>> {
    if !is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    let user = users.lines().find_map(|line| parse(line, name));
    let user = user.with_context(|| {
        format!("there is no user `{name}`, which its Debian package creates; a server must not run as root")
    })?;
    Ok(Some(user))
}

fn parse(line: &str, name: &str) -> Option<UnixUser> {
    let mut fields = line.split(':');
    if fields.next()? != name {
        return None;
    }
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(UnixUser { name: name.to_owned(), uid, gid })
}

/// Gives a directory and everything in it to the user; nothing to do when it is `None`.
pub fn give(dir: &Path, user: Option<&UnixUser>) -> Result<()> {
    let Some(user) = user else { return Ok(()) };
    let change = |path: &Path| -> Result<()> {
        let metadata = fs::symlink_metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
        if metadata.uid() != user.uid || metadata.gid() != user.gid {
            lchown(path, Some(user.uid), Some(user.gid))
                .with_context(|| format!("cannot give {} to {}", path.display(), user.name))?;
        }
        Ok(())
    };
    change(dir)?;
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if fs::symlink_metadata(&path)?.is_dir() {
            give(&path, Some(user))?;
        } else {
            change(&path)?;
        }
    }
    Ok(())
}

/// Whether any user may pass through every parent of `dir`, as the servers' users must.
pub fn is_open_to_all(dir: &Path) -> bool {
    dir.ancestors().skip(1).all(|parent| fs::metadata(parent).is_ok_and(|metadata| metadata.mode() & 0o001 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passwd_line_names_its_user() {
        let line = "postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash";
        let user = UnixUser { name: "postgres".to_owned(), uid: 101, gid: 104 };
        assert_eq!(parse(line, "postgres"), Some(user));
        assert_eq!(parse(line, "post"), None);
    }
}

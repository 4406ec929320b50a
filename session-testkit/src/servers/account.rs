//! Whom servers run as.

use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::geteuid;
use tempfile::TempDir;

/// Who owns nothing, on every Unix.
const NOBODY: &str = "nobody";

/// The account under which a program runs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Account {
    /// Ours.
    Own,
    /// One that has fewer rights than we have.
    Other { user: u32, group: u32 },
}

impl Account {
    /// Ours, unless that is root: SQL servers refuse to run as root.
    pub(super) fn unprivileged() -> io::Result<Self> {
        if geteuid().is_root() {
            Ok(Self::Other { user: id("-u")?, group: id("-g")? })
        } else {
            Ok(Self::Own)
        }
    }

    /// Has the command run under the account.
    pub(super) fn assume(self, command: &mut Command) {
        if let Self::Other { user, group } = self {
            // With this, our further groups are given up as well.
            command.uid(user).gid(group);
        }
    }

    /// An empty folder that belongs to the account.
    pub(super) fn folder(self) -> io::Result<TempDir> {
        let folder = tempfile::Builder::new().prefix("session-testkit-").tempdir()?;
        if let Self::Other { user, group } = self {
            chown(folder.path(), Some(user), Some(group))?;
        }
        Ok(folder)
    }
}

fn id(which: &str) -> io::Result<u32> {
    let output = Command::new("id").args([which, NOBODY]).output()?;
    let number = String::from_utf8_lossy(&output.stdout);
    number.trim().parse().map_err(|_| {
        io::Error::other(format!("root cannot run this server, and there is no user `{NOBODY}`"))
    })
}

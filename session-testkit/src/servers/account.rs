//! Whom servers run as, and where they keep their files.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs, io};

use rustix::fs::statvfs;
use rustix::process::geteuid;
use tempfile::TempDir;

/// A file system in memory, on Linux. The files of an SQL server are hundreds: on a disk, it may
/// take five times as long to make and to remove them, which is most of what a start takes.
const MEMORY: &str = "/dev/shm";

/// How many bytes have to be free there: much more than a server takes.
const ROOM: u64 = 1 << 30;

/// The account under which a program runs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Account {
    /// Ours.
    Own,
    /// That of `nobody`, who owns nothing on any Unix.
    Nobody { user: u32, group: u32 },
}

impl Account {
    /// Ours, unless that is root: SQL servers refuse to run as root.
    pub(super) fn unprivileged() -> io::Result<Self> {
        if geteuid().is_root() {
            let (user, group) = nobody().ok_or_else(|| {
                io::Error::other("root cannot run this server, and there is no user `nobody`")
            })?;
            Ok(Self::Nobody { user, group })
        } else {
            Ok(Self::Own)
        }
    }

    /// Has the command run under the account.
    pub(super) fn assume(self, command: &mut Command) {
        if let Self::Nobody { user, group } = self {
            // With this, our further groups are given up as well.
            command.uid(user).gid(group);
        }
    }

    /// A new file that belongs to the account, and that others cannot read.
    pub(super) fn write(self, path: &Path, text: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        match self {
            Self::Own => Ok(()),
            Self::Nobody { user, group } => chown(path, Some(user), Some(group)),
        }
    }

    /// An empty folder that belongs to the account: in memory if there is room, unless a `TMPDIR`
    /// says where.
    pub(super) fn folder(self) -> io::Result<TempDir> {
        let mut folder = tempfile::Builder::new();
        folder.prefix("session-testkit-");
        let folder = if env::var_os("TMPDIR").is_none() && is_roomy(MEMORY) {
            folder.tempdir_in(MEMORY)?
        } else {
            folder.tempdir()?
        };
        if let Self::Nobody { user, group } = self {
            chown(folder.path(), Some(user), Some(group))?;
        }
        Ok(folder)
    }
}

/// The ids of its user and its group.
fn nobody() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let mut fields =
        users.lines().find_map(|user| user.strip_prefix("nobody:"))?.split(':').skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn is_roomy(folder: &str) -> bool {
    statvfs(folder).is_ok_and(|system| system.f_bavail.saturating_mul(system.f_frsize) >= ROOM)
}

//! Finding programs, and starting them such that they end with this process.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{LazyLock, mpsc};
use std::{io, thread};

use super::account::Account;

/// Where Debian keeps servers, and what is not on the `PATH` of ordinary users.
const SYSTEM_PROGRAMS: &str = "/usr/sbin";

/// A program of this machine, and whom it is to run as.
#[derive(Clone, Debug)]
pub(super) struct Program {
    path: PathBuf,
    account: Account,
}

impl Program {
    /// The program of this name.
    ///
    /// # Panics
    ///
    /// If it is neither on the `PATH` nor where servers are kept.
    pub(super) fn find(name: &str, debian_package: &str) -> Self {
        let path = on_path(name).or_else(|| in_folder(Path::new(SYSTEM_PROGRAMS), name));
        let path = path.unwrap_or_else(|| {
            panic!(
                "this test needs the program `{name}`, and it is not on PATH: install it, on \
                 Debian with `apt-get install {debian_package}`"
            )
        });
        Self { path, account: Account::Own }
    }

    /// As [`find`](Self::find), but looks in `folder` first.
    pub(super) fn find_in(folder: &Path, name: &str, debian_package: &str) -> Self {
        match in_folder(folder, name) {
            Some(path) => Self { path, account: Account::Own },
            None => Self::find(name, debian_package),
        }
    }

    /// The same one, run under another account.
    pub(super) fn run_as(self, account: Account) -> Self {
        Self { account, ..self }
    }

    /// Whom it runs as.
    pub(super) fn account(&self) -> Account {
        self.account
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The name of its file.
    pub(super) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// A command that runs it, and has the system kill it when this process is gone.
    pub(super) fn command(&self) -> Command {
        static SETPRIV: LazyLock<Option<PathBuf>> =
            LazyLock::new(|| if cfg!(target_os = "linux") { on_path("setpriv") } else { None });
        let mut command = match &*SETPRIV {
            None => Command::new(&self.path),
            Some(setpriv) => {
                // It becomes the program, whose process id is thus the one that we get.
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(&self.path);
                command
            }
        };
        self.account.assume(&mut command);
        command
    }
}

/// Starts a program, always from the same thread.
///
/// What counts as a parent's death on Linux is that of the thread which started the child, and
/// the threads of tests and runtimes come and go.
pub(super) fn spawn(command: Command) -> io::Result<Child> {
    static PARENT: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for Order { mut command, reply } in orders {
                // Whoever asked waits for the answer, unless it has panicked.
                let _ = reply.send(command.spawn());
            }
        });
        sender
    });
    let (reply, child) = mpsc::channel();
    let gone = |_| io::Error::other("the thread that starts programs has ended");
    PARENT.send(Order { command, reply }).map_err(|_| gone(mpsc::RecvError))?;
    child.recv().map_err(gone)?
}

/// Something for a program to read, however long it takes to.
pub(super) fn input(text: &str) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

struct Order {
    command: Command,
    reply: mpsc::Sender<io::Result<Child>>,
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find_map(|folder| in_folder(&folder, name))
}

fn in_folder(folder: &Path, name: &str) -> Option<PathBuf> {
    Some(folder.join(name)).filter(|file| file.is_file())
}

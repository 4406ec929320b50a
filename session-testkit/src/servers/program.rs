//! Finding programs, and starting them such that they end with this process.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{LazyLock, mpsc};
use std::{io, thread};

/// The program of this name.
///
/// # Panics
///
/// If it is not on the `PATH`.
pub(super) fn find(name: &str, debian_package: &str) -> PathBuf {
    on_path(name).unwrap_or_else(|| {
        panic!(
            "this test needs the program `{name}`, and it is not on PATH: install it, on Debian \
             with `apt-get install {debian_package}`"
        )
    })
}

/// A command that runs `program`, and has the system kill it when this process is gone.
pub(super) fn command(program: PathBuf) -> Command {
    static SETPRIV: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| if cfg!(target_os = "linux") { on_path("setpriv") } else { None });
    let Some(setpriv) = &*SETPRIV else { return Command::new(program) };
    // It becomes the program, whose process id is thus the one that we get.
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
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

struct Order {
    command: Command,
    reply: mpsc::Sender<io::Result<Child>>,
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

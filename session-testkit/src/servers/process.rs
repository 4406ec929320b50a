//! One child process, which can be stopped, continued, killed and started again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tempfile::TempDir;

use super::program;

/// What of a log is shown when something fails.
const TAIL_LINES: usize = 40;

/// A `redis-server` with a folder of its own, running or not.
#[derive(Debug)]
pub(super) struct Process {
    /// Declared, and so dropped, before the folder that it writes to.
    child: Mutex<Running>,
    arguments: Vec<String>,
    folder: TempDir,
}

#[derive(Debug)]
struct Running(Option<Child>);

impl Process {
    /// A process in an empty folder, not started yet. Arguments are relative to the folder.
    pub(super) fn new(arguments: Vec<String>) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("session-testkit-").tempdir()?;
        Ok(Self { child: Mutex::new(Running(None)), arguments, folder })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the program says what it does.
    pub(super) fn log_file(&self) -> PathBuf {
        self.folder().join("server.log")
    }

    /// Starts it, after killing the one that may be running.
    pub(super) fn start(&self) -> io::Result<()> {
        let mut command = program::command(program::find("redis-server", "redis-server"));
        // What it has to say before it has read where its log is.
        let output = File::create(self.output_file())?;
        command.args(&self.arguments).current_dir(self.folder());
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);

        let mut child = self.child();
        child.kill();
        *child = Running(Some(spawn(command)?));
        Ok(())
    }

    /// Its process id, while it runs.
    pub(super) fn id(&self) -> Option<u32> {
        self.child().alive().map(|child| child.id())
    }

    /// Whether it runs, or is stopped by a signal.
    pub(super) fn is_running(&self) -> bool {
        self.child().alive().is_some()
    }

    /// Stops it with SIGSTOP, and returns when no thread of it runs any more.
    pub(super) fn pause(&self) -> io::Result<()> {
        let pid = self.signal(Signal::STOP)?;
        // Its end is looked for as well, but left to be seen by whoever reaps it.
        let seen = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(pid), seen)? {
            Some(status) if status.stopped() => Ok(()),
            _ => Err(io::Error::other("it has ended")),
        }
    }

    /// Continues it with SIGCONT.
    pub(super) fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT).map(drop)
    }

    /// Ends it with SIGKILL if it runs, and returns when it is gone.
    pub(super) fn kill(&self) {
        self.child().kill();
    }

    /// All that it has said.
    pub(super) fn log(&self) -> String {
        let read = |file: PathBuf| fs::read(file).unwrap_or_default();
        let said = [read(self.output_file()), read(self.log_file())].concat();
        String::from_utf8_lossy(&said).into_owned()
    }

    /// The last things that it has said.
    pub(super) fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    fn signal(&self, signal: Signal) -> io::Result<Pid> {
        // Not reaped while we hold it, so the id is not somebody else's.
        let mut child = self.child();
        let pid = child.alive().map(|child| Pid::from_child(child));
        let pid = pid.ok_or_else(|| io::Error::other("it is not running"))?;
        kill_process(pid, signal)?;
        Ok(pid)
    }

    fn child(&self) -> MutexGuard<'_, Running> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn output_file(&self) -> PathBuf {
        self.folder().join("output.log")
    }
}

impl Running {
    /// The child, unless it has ended, with or without our doing.
    fn alive(&mut self) -> Option<&mut Child> {
        if !matches!(self.0.as_mut()?.try_wait(), Ok(None)) {
            self.0 = None;
        }
        self.0.as_mut()
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.0.take() {
            // SIGKILL ends stopped processes too. Either fails only for one that has been reaped.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(command: Command) -> io::Result<Child> {
    let program = command.get_program().to_owned();
    program::spawn(command).map_err(|error| {
        io::Error::new(error.kind(), format!("starting {}: {error}", program.display()))
    })
}

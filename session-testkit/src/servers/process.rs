//! One child process, which can be stopped, continued, killed and started again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tempfile::TempDir;

use super::children::{Children, Guard};
use super::program::{self, Program};

/// What of a log is shown when something fails.
const TAIL_LINES: usize = 40;

/// A server with a folder of its own, running or not.
#[derive(Debug)]
pub(super) struct Process {
    /// Declared, and so dropped, before the folder that it writes to.
    running: Mutex<Running>,
    program: Program,
    arguments: Vec<String>,
    folder: TempDir,
}

#[derive(Debug, Default)]
struct Running {
    child: Option<Child>,
    /// While it is paused, if it has children itself.
    guard: Option<Guard>,
}

impl Process {
    /// A process in an empty folder, not started yet. Arguments are relative to the folder.
    pub(super) fn new(program: Program, arguments: Vec<String>) -> io::Result<Self> {
        let folder = program.account().folder()?;
        Ok(Self { running: Mutex::default(), program, arguments, folder })
    }

    pub(super) fn program(&self) -> &Program {
        &self.program
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
        let mut command = self.program.command();
        // What it has to say before it has read where its log is.
        let output = File::options().create(true).append(true).open(self.output_file())?;
        command.args(&self.arguments).current_dir(self.folder());
        // Ours may be closed to whom it runs as, and is nobody else's to write to.
        command.env("TMPDIR", self.folder()).env("HOME", self.folder());
        command.env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);

        let mut running = self.running();
        running.kill();
        running.child = Some(self.spawn(command)?);
        Ok(())
    }

    /// Its process id, while it runs.
    pub(super) fn id(&self) -> Option<u32> {
        self.running().alive().map(|child| child.id())
    }

    /// Whether it runs, or is stopped by a signal.
    pub(super) fn is_running(&self) -> bool {
        self.running().alive().is_some()
    }

    /// Stops it and its children with SIGSTOP, and returns when none of their threads runs any
    /// more.
    pub(super) fn pause(&self) -> io::Result<()> {
        let mut running = self.running();
        let children = stop(running.pid()?)?;
        children.pause()?;
        running.guard = children.guard()?;
        Ok(())
    }

    /// Continues it and its children with SIGCONT.
    pub(super) fn resume(&self) -> io::Result<()> {
        let mut running = self.running();
        let pid = running.pid()?;
        Children::of(pid)?.resume()?;
        running.guard = None;
        Ok(kill_process(pid, Signal::CONT)?)
    }

    /// Ends it and its children with SIGKILL if it runs, and returns when they are gone.
    pub(super) fn kill(&self) {
        self.running().kill();
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

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, command: Command) -> io::Result<Child> {
        program::spawn(command).map_err(|error| {
            io::Error::new(error.kind(), format!("starting {}: {error}", self.program.name()))
        })
    }

    fn output_file(&self) -> PathBuf {
        self.folder().join("output.log")
    }
}

impl Running {
    /// The child, unless it has ended, with or without our doing.
    fn alive(&mut self) -> Option<&mut Child> {
        if !matches!(self.child.as_mut()?.try_wait(), Ok(None)) {
            self.child = None;
        }
        self.child.as_mut()
    }

    /// Its id, which is not somebody else's as long as the child is not looked for again.
    fn pid(&mut self) -> io::Result<Pid> {
        let pid = self.alive().map(|child| Pid::from_child(child));
        pid.ok_or_else(|| io::Error::other("it is not running"))
    }

    fn kill(&mut self) {
        if let Ok(pid) = self.pid() {
            // They go first, and their parent sees nothing of it. What fails here, or takes too
            // long, fails no less the next time.
            let _ = stop(pid).and_then(|children| children.kill());
        }
        if let Some(mut child) = self.child.take() {
            // SIGKILL ends stopped processes too. Either fails only for one that has been reaped.
            let _ = child.kill();
            let _ = child.wait();
        }
        self.guard = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Stops a child of ours, and returns those that it has itself.
fn stop(pid: Pid) -> io::Result<Children> {
    kill_process(pid, Signal::STOP)?;
    // Its end is looked for as well, but left to be seen by whoever reaps it.
    let seen = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    match waitid(WaitId::Pid(pid), seen)? {
        Some(status) if status.stopped() => Children::of(pid),
        _ => Err(io::Error::other("it has ended")),
    }
}

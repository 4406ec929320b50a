//! The processes that a server has started, such as those of PostgreSQL that hold connections.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::program;

/// How long it may take until a signal has had its effect.
const EFFECT: Duration = Duration::from_secs(10);

/// The children of a process that is stopped: it neither starts others nor reaps those that end,
/// so that none of the ids is somebody else's.
#[derive(Debug)]
pub(super) struct Children(Vec<Pid>);

impl Children {
    /// Those of `parent`. None are found where there is no `/proc`, which is that of Linux.
    pub(super) fn of(parent: Pid) -> io::Result<Self> {
        if !cfg!(target_os = "linux") {
            return Ok(Self(Vec::new()));
        }
        let mut children = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| Pid::from_raw(name.parse().ok()?)) else {
                continue;
            };
            if Status::of(pid).is_some_and(|status| status.parent == parent.as_raw_pid()) {
                children.push(pid);
            }
        }
        Ok(Self(children))
    }

    /// Stops all of them, and returns when none runs any more.
    pub(super) fn pause(&self) -> io::Result<()> {
        self.signal(Signal::STOP)?;
        self.wait_until(|status| status.is_stopped() || status.has_ended())
    }

    /// Continues them.
    pub(super) fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Ends them, and returns when all are gone but for what their parent has to reap.
    pub(super) fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)?;
        self.wait_until(Status::has_ended)
    }

    /// Sees to it that they do not stay behind while they are paused.
    pub(super) fn guard(&self) -> io::Result<Option<Guard>> {
        if self.0.is_empty() { Ok(None) } else { Guard::over(&self.0).map(Some) }
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        for &child in &self.0 {
            match kill_process(child, signal) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn wait_until(&self, is_so: impl Fn(&Status) -> bool) -> io::Result<()> {
        let deadline = Instant::now() + EFFECT;
        let is_so = |&child: &Pid| Status::of(child).is_none_or(|status| is_so(&status));
        while !self.0.iter().all(is_so) {
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "its children take no notice"));
            }
            thread::park_timeout(Duration::from_millis(1));
        }
        Ok(())
    }
}

/// Kills stopped processes once this one is gone.
///
/// Those that run notice when their server has ended, and end as well. Those that are stopped
/// never would, and a test that is taken to hang may be killed just then.
#[derive(Debug)]
pub(super) struct Guard(Child);

impl Guard {
    fn over(children: &[Pid]) -> io::Result<Self> {
        let mut command = Command::new("sh");
        // Its input ends when we do.
        command.args(["-c", "read -r line; kill -KILL \"$@\"", "sh"]);
        command.args(children.iter().map(|child| child.as_raw_pid().to_string()));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Whoever ends a test ends the group of its processes.
        command.process_group(0);
        program::spawn(command).map(Self)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Either fails only for one that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the system tells of a process (`proc_pid_stat(5)`).
#[derive(Debug)]
struct Status {
    state: char,
    parent: i32,
}

impl Status {
    /// `None` if there is no such process.
    fn of(pid: Pid) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Option<Self> {
        // Before it is the name of the program, in which there may be anything.
        let (_, fields) = text.rsplit_once(") ")?;
        let mut fields = fields.split(' ');
        Some(Self { state: fields.next()?.parse().ok()?, parent: fields.next()?.parse().ok()? })
    }

    fn is_stopped(&self) -> bool {
        self.state == 'T'
    }

    /// Whether nothing is left of it but its status.
    fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn a_name_that_looks_like_fields_is_not_taken_for_them() {
        let status = Status::parse("7 (a) Z 1 (b) T 42 7 7 0 -1").unwrap();
        assert_eq!((status.state, status.parent), ('T', 42));
        assert!(status.is_stopped() && !status.has_ended());
    }
}

//! A server process, which ends with the value that stands for it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::Failure;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Server {
    pub(crate) async fn start(variant: &str, places: &[String]) -> Result<Self, Failure> {
        let mut child = Command::new(program()?)
            .args(["serve", variant])
            .args(places)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (questions, answers) = (child.stdin.take(), child.stdout.take());
        let questions = questions.ok_or("no standard input")?;
        let mut answers = BufReader::new(answers.ok_or("no standard output")?).lines();
        let first = tokio::time::timeout(START, answers.next_line())
            .await
            .map_err(|_| format!("{variant} does not listen after {} s", START.as_secs()))??;
        let address = first.as_deref().and_then(|line| line.strip_prefix("listening on "));
        let address = address.ok_or_else(|| format!("{variant} did not start"))?.parse()?;
        Ok(Self { address, child, questions, answers })
    }

    /// What the process has used so far, as it tells itself, to the nanosecond.
    pub(crate) async fn cpu(&mut self) -> Result<Duration, Failure> {
        self.questions.write_all(b"cpu\n").await?;
        let line = self.answers.next_line().await?.ok_or("the server has ended")?;
        let nanos = line.strip_prefix("cpu ").ok_or("no CPU time")?.parse()?;
        Ok(Duration::from_nanos(nanos))
    }

    /// The same as the kernel tells it: user and system, in hundredths of a second.
    pub(crate) fn cpu_by_kernel(&self) -> Result<Duration, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()?))?;
        // Behind the name, in which there may be anything (proc_pid_stat(5)).
        let (_, fields) = stat.rsplit_once(") ").ok_or("no fields")?;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
        let ticks = ticks.sum::<Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident(&self) -> Result<u64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kilobytes.ok_or("no resident memory")?.parse::<u64>()? * 1_024)
    }

    fn id(&self) -> Result<u32, Failure> {
        self.child.id().ok_or_else(|| "the server has ended".into())
    }
}

/// Built beside this program.
pub(crate) fn program() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?.with_file_name("peers-server");
    if program.is_file() { Ok(program) } else { Err("peers-server is not built".into()) }
}

const START: Duration = Duration::from_secs(30);

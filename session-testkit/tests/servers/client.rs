//! Command line clients, as the applications of a server.

use std::process::{Command as Program, Stdio};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A client with one open connection.
pub(crate) struct Client {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// Ended when this is dropped.
    _child: Child,
}

impl Client {
    pub(crate) fn new(program: Program) -> Self {
        let mut command = Command::from(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().expect("a client");
        let input = child.stdin.take().expect("its input");
        let output = child.stdout.take().expect("its output");
        Self { input, output: BufReader::new(output).lines(), _child: child }
    }

    pub(crate) async fn send(&mut self, sql: &str) {
        self.input.write_all(format!("{sql};\n").as_bytes()).await.expect("a client that goes on");
    }

    /// The next line of an answer, or `None` if the client has given up.
    pub(crate) async fn receive(&mut self) -> Option<String> {
        self.output.next_line().await.expect("its answer")
    }

    /// The only line of the answer, or `None` if it is an error, at which the client gives up.
    pub(crate) async fn ask(&mut self, sql: &str) -> Option<String> {
        self.send(sql).await;
        self.receive().await
    }
}

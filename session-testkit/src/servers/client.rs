//! Command line clients that read SQL.

use std::io;
use std::time::Duration;

use tokio::process::Command;

use super::program::{Program, input};

/// Has a client run `sql`, and returns what it prints, without the last line break.
pub(super) async fn run(
    client: &Program,
    arguments: &[String],
    sql: &str,
    limit: Duration,
) -> io::Result<String> {
    let mut command = Command::new(client.path());
    command.args(arguments).stdin(input(sql)?).kill_on_drop(true);
    let output = tokio::time::timeout(limit, command.output()).await;
    let output = output.map_err(|_| {
        io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {limit:?}"))
    })??;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
    } else {
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()))
    }
}

//! Experiments that `peers-server` makes within one process.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::{Failure, server};

/// Makes one, and returns its figures.
pub(crate) async fn run(arguments: &[&str], redis: &str) -> Result<Value, Failure> {
    eprintln!("{}", arguments.join(" "));
    let output = Command::new(server::program()?)
        .arg("experiment")
        .args(arguments)
        .args(["--redis", redis])
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await?;
    if !output.status.success() {
        return Err(format!("{} failed", arguments.join(" ")).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A figure that must be there.
pub(crate) fn figure(of: &Value, name: &str) -> Result<f64, Failure> {
    of[name].as_f64().ok_or_else(|| format!("no {name} in {of}").into())
}

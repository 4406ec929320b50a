//! The portal on SQL databases: processes of the portal in front of servers that are real.

mod down_at_start;
mod samples;
mod script;
mod two_processes;

/// The configuration of a store that makes its tables, with time enough for a busy machine.
pub(crate) fn config_at(url: &str) -> String {
    format!(
        r#"
[session]
store = "main"
cookie = {{ name = "id", secure = false }}
[stores.main]
kind = "sql"
url = {url:?}
migrate = true
timeout = "10s"
"#
    )
}

/// A file of SQLite in this directory.
fn file_in(directory: &crate::process::Directory) -> String {
    format!("sqlite://{}", directory.path().join("sessions.db").display())
}

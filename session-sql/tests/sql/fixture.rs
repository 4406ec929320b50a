//! Servers and stores for tests.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use session_core::Store;
use session_sql::{Database, SqlStore, SqlStoreBuilder};
use tempfile::TempDir;

/// A store whose tables are made when it is used, and which frees nothing by itself.
pub(crate) fn builder(url: &str, namespace: &str) -> SqlStoreBuilder {
    SqlStore::builder(Database::parse(url).expect("a URL"))
        .table(table(namespace))
        .migrate(true)
        .timeout(TIMEOUT)
        .without_sweeper()
}

/// Time enough on a busy machine: what is not about timeouts does not run into one.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// The table of a namespace.
pub(crate) fn table(namespace: &str) -> String {
    format!("s_{}", namespace.replace(['-', '.'], "_").to_lowercase())
}

/// A folder for files of SQLite, in memory where there is such a place. On a disk a commit takes
/// long, and handles that all write without a pause shut each other out.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// The URL of a file in this folder.
pub(crate) fn url_of(folder: &TempDir) -> String {
    format!("sqlite://{}", folder.path().join("sessions.db").display())
}

pub(crate) fn store(builder: SqlStoreBuilder) -> Arc<dyn Store> {
    Arc::new(builder.build().expect("a store"))
}

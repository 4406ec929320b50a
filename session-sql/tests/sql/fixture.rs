//! Servers and stores for tests.

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

/// The URL of a file in this folder.
pub(crate) fn url_of(folder: &TempDir) -> String {
    format!("sqlite://{}", folder.path().join("sessions.db").display())
}

pub(crate) fn store(builder: SqlStoreBuilder) -> Arc<dyn Store> {
    Arc::new(builder.build().expect("a store"))
}

//! The store as a kind.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use session_kit::config::Context;
use session_kit::{Error, Store, SystemClock};

use crate::FileStore;

/// `[stores.NAME]` of the kind `file`, once that is registered:
///
/// ```
/// use custom_store::FileSettings;
/// use session_kit::config::Registry;
///
/// let registry = Registry::new().kind("file", FileSettings::build);
/// ```
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSettings {
    /// Where the files are. It is made if it is not there.
    pub folder: PathBuf,
}

impl FileSettings {
    /// The store of these settings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`](session_kit::ErrorKind::Misconfigured) if the folder cannot be
    /// made.
    pub fn build(&self, context: &mut Context<'_>) -> Result<Arc<dyn Store>, Error> {
        context.no_backplane_because(
            "files announce nothing: a cache in front of them could not know what another process \
             has changed",
        );
        Ok(Arc::new(FileStore::open(&self.folder, SystemClock)?))
    }
}

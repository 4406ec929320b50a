//! `[stores.NAME]` of the kind `memory`.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use session_core::{Error, Store};
use session_memory::MemoryStore;

use super::{Context, Period, Size};

/// Sessions in the memory of this process.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
pub(super) struct MemorySettings {
    /// More are refused. Default: 1000000.
    max_sessions: Option<usize>,
    /// As many bytes of sessions at most. Default: "512MiB".
    max_bytes: Option<Size>,
    /// How often sessions that have ended are removed. Default: "1m".
    sweep_every: Option<Period>,
}

impl MemorySettings {
    pub(super) fn build(&self, _: &mut Context<'_>) -> Result<Arc<dyn Store>, Error> {
        let pause = self.sweep_every.map_or(Duration::from_secs(60), |pause| pause.0);
        let mut builder = MemoryStore::builder().sweep_every(pause);
        if let Some(sessions) = self.max_sessions {
            builder = builder.max_sessions(sessions);
        }
        if let Some(bytes) = self.max_bytes {
            builder = builder.max_bytes(bytes.0);
        }
        Ok(Arc::new(builder.build()?))
    }
}

//! What a configuration's stores and sessions tell, if it was given a meter.

use std::sync::Arc;

use session_core::{SessionsBuilder, Store};

use super::Config;

#[cfg(feature = "opentelemetry")]
impl Config {
    /// The same store, measured under the name of its kind.
    pub(super) fn observed(&self, kind: &str, store: Arc<dyn Store>) -> Arc<dyn Store> {
        match &self.meter {
            Some(meter) => {
                Arc::new(crate::observe::Observed::shared(store, kind.to_owned(), meter))
            }
            None => store,
        }
    }

    /// The same sessions, which are counted.
    pub(super) fn watched(&self, builder: SessionsBuilder) -> SessionsBuilder {
        match &self.meter {
            Some(meter) => builder.observer(Arc::new(crate::observe::SessionMetrics::new(meter))),
            None => builder,
        }
    }
}

#[cfg(not(feature = "opentelemetry"))]
impl Config {
    pub(super) fn observed(&self, _: &str, store: Arc<dyn Store>) -> Arc<dyn Store> {
        store
    }

    pub(super) fn watched(&self, builder: SessionsBuilder) -> SessionsBuilder {
        builder
    }
}

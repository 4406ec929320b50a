//! `[stores.NAME]` of the kind `layered`.

use std::sync::Arc;

use serde::Deserialize;
use session_core::{Error, Store, Timeouts};
use session_layered::{Layered, LayeredBuilder};

use super::{Context, Period, Size};

/// A cache on this node in front of a store that announces its changes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
pub(super) struct LayeredSettings {
    /// The name of the store that all nodes share, under `[stores]`.
    shared: String,
    /// What this node keeps in its memory.
    #[serde(default)]
    local: LocalSettings,
    /// How long after a change was acknowledged a node may at most serve what was before, "20ms"
    /// to "1m". Default: "2s".
    max_staleness: Option<Period>,
    /// For how much longer a node that cannot reach the shared store may serve what it has, "1d"
    /// at most. Default: "0s".
    stale_if_error: Option<Period>,
    /// Default: all defences are up.
    #[cfg(feature = "counter-experiments")]
    #[serde(default)]
    #[cfg_attr(feature = "config-schema", schemars(skip))]
    danger_without: Vec<DefenceName>,
}

/// `{ max_bytes = "64MiB", ttl = "30s" }`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "config-schema", derive(schemars::JsonSchema))]
struct LocalSettings {
    /// As many bytes of sessions at most. Default: "64MiB".
    max_bytes: Option<Size>,
    /// For how long a session stays there. Default: "30s".
    ttl: Option<Period>,
}

#[cfg(feature = "counter-experiments")]
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DefenceName {
    Invalidation,
    Lease,
    Stripes,
}

impl LayeredSettings {
    /// Builds the shared store first, unless it is there already.
    pub(super) fn build(&self, context: &mut Context<'_>) -> Result<Arc<dyn Store>, Error> {
        let shared = context.store("shared", &self.shared)?;
        self.check_shared(&*shared, context)?;
        let mut builder = Layered::builder_shared(shared);
        builder = self.local.apply(builder, context.timeouts())?;
        if let Some(bound) = self.max_staleness {
            builder = builder.max_staleness(bound.0);
        }
        if let Some(bound) = self.stale_if_error {
            builder = builder.stale_if_error(bound.0);
        }
        #[cfg(feature = "opentelemetry")]
        if let Some(meter) = context.meter() {
            builder = builder.meter(meter.clone());
        }
        #[cfg(feature = "counter-experiments")]
        for defence in &self.danger_without {
            builder = builder.danger_without((*defence).into());
        }
        let layered = builder.build().map_err(|error| match error.context("field") {
            Some("max_bytes" | "ttl") => error.within("local"),
            _ => error,
        })?;
        Ok(Arc::new(layered))
    }

    /// The builder knows neither names nor kinds.
    fn check_shared(&self, shared: &dyn Store, context: &Context<'_>) -> Result<(), Error> {
        let reason = if context.kind_of(&self.shared) == context.kind_of(context.name()) {
            "this store is a cache of this node itself: another one in front of it saves no round \
             trip, and takes the memory twice"
        } else if shared.backplane().is_some() {
            return Ok(());
        } else {
            context.why_no_backplane(&self.shared).unwrap_or(
                "this store does not announce its changes: a cache in front of it could not know \
                 what has changed elsewhere",
            )
        };
        Err(Error::misconfigured("shared", format_args!("{:?}", self.shared), reason))
    }
}

impl LocalSettings {
    fn apply(
        &self,
        mut builder: LayeredBuilder,
        timeouts: Timeouts,
    ) -> Result<LayeredBuilder, Error> {
        if let Some(bytes) = self.max_bytes {
            builder = builder.max_bytes(bytes.0);
        }
        if let Some(Period(ttl)) = self.ttl {
            let absolute = timeouts.absolute();
            if ttl > absolute {
                let reason = format!(
                    "longer than any session lives: `session.absolute_timeout` is {absolute:?}"
                );
                return Err(Error::misconfigured("local.ttl", format!("{ttl:?}"), reason));
            }
            builder = builder.ttl(ttl);
        }
        Ok(builder)
    }
}

#[cfg(feature = "counter-experiments")]
impl From<DefenceName> for session_layered::Defence {
    fn from(name: DefenceName) -> Self {
        match name {
            DefenceName::Invalidation => Self::Invalidation,
            DefenceName::Lease => Self::Lease,
            DefenceName::Stripes => Self::Stripes,
        }
    }
}

//! `[stores.NAME]` of the kind `layered`.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use session_core::{Error, Store};

use super::settings::{duration, size};
use super::stores::Stores;

/// The keys are told in the module documentation of [`config`](super), with what each costs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "layered"), expect(dead_code, reason = "read, and then refused"))]
pub(super) struct LayeredSettings {
    /// The shared store's name under `[stores]`.
    shared: String,
    #[serde(default)]
    local: LocalSettings,
    /// Default: 2 seconds.
    #[serde(default, deserialize_with = "duration")]
    max_staleness: Option<Duration>,
    /// Default: zero.
    #[serde(default, deserialize_with = "duration")]
    stale_if_error: Option<Duration>,
    /// Default: all defences are up.
    #[cfg(feature = "counter-experiments")]
    #[serde(default)]
    danger_without: Vec<DefenceName>,
}

/// `local = { max_bytes = "64MiB", ttl = "30s" }`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "layered"), expect(dead_code, reason = "read, and then refused"))]
struct LocalSettings {
    /// Default: 64 MiB.
    #[serde(default, deserialize_with = "size")]
    max_bytes: Option<usize>,
    /// Default: 30 seconds.
    #[serde(default, deserialize_with = "duration")]
    ttl: Option<Duration>,
}

#[cfg(feature = "counter-experiments")]
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DefenceName {
    Invalidation,
    Lease,
    Stripes,
}

#[cfg(not(feature = "layered"))]
impl LayeredSettings {
    pub(super) fn build(&self, name: &str, _: &mut Stores<'_>) -> Result<Arc<dyn Store>, Error> {
        let error = super::settings::needs_feature("kind", "layered");
        Err(error.within(&format!("stores.{name}")))
    }
}

#[cfg(feature = "layered")]
mod build {
    use session_layered::{Layered, LayeredBuilder};

    use super::{Arc, Duration, Error, LayeredSettings, LocalSettings, Store, Stores};
    use crate::config::Config;
    use crate::config::settings::StoreSettings;

    impl LayeredSettings {
        /// Builds the shared store first, unless it is there already.
        pub(in crate::config) fn build(
            &self,
            name: &str,
            stores: &mut Stores<'_>,
        ) -> Result<Arc<dyn Store>, Error> {
            let shared = stores.named(&self.shared, &format!("stores.{name}.shared"))?;
            let config = stores.config;
            self.compose(shared, config).map_err(|error| error.within(&format!("stores.{name}")))
        }

        fn compose(
            &self,
            shared: Arc<dyn Store>,
            config: &Config,
        ) -> Result<Arc<dyn Store>, Error> {
            self.check_shared(&*shared, config)?;
            let mut builder = Layered::builder_shared(shared);
            builder = self.local.apply(builder, config.session.absolute_timeout())?;
            if let Some(bound) = self.max_staleness {
                builder = builder.max_staleness(bound);
            }
            if let Some(bound) = self.stale_if_error {
                builder = builder.stale_if_error(bound);
            }
            #[cfg(feature = "opentelemetry")]
            if let Some(meter) = &config.meter {
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
        fn check_shared(&self, shared: &dyn Store, config: &Config) -> Result<(), Error> {
            let reason = match config.stores.get(&self.shared) {
                Some(StoreSettings::Layered(_)) => {
                    "this store is a cache of this node itself: another one in front of it saves \
                     no round trip, and takes the memory twice"
                }
                _ if shared.backplane().is_some() => return Ok(()),
                Some(StoreSettings::Sql(settings)) => settings.why_silent(),
                _ => {
                    "this store does not announce its changes (`announcements`): a cache in front \
                     of it could not know what has changed elsewhere"
                }
            };
            Err(Error::misconfigured("shared", format_args!("{:?}", self.shared), reason))
        }
    }

    impl LocalSettings {
        fn apply(
            &self,
            mut builder: LayeredBuilder,
            absolute_timeout: Duration,
        ) -> Result<LayeredBuilder, Error> {
            if let Some(bytes) = self.max_bytes {
                builder = builder.max_bytes(bytes);
            }
            if let Some(ttl) = self.ttl {
                if ttl > absolute_timeout {
                    let reason = format!(
                        "longer than any session lives: `session.absolute_timeout` is \
                         {absolute_timeout:?}"
                    );
                    return Err(Error::misconfigured("local.ttl", format!("{ttl:?}"), reason));
                }
                builder = builder.ttl(ttl);
            }
            Ok(builder)
        }
    }

    #[cfg(feature = "counter-experiments")]
    impl From<super::DefenceName> for session_layered::Defence {
        fn from(name: super::DefenceName) -> Self {
            match name {
                super::DefenceName::Invalidation => Self::Invalidation,
                super::DefenceName::Lease => Self::Lease,
                super::DefenceName::Stripes => Self::Stripes,
            }
        }
    }
}

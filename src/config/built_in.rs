//! The kinds and codecs of session-kit, as anybody would register theirs.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use session_core::codec::Json;
use session_core::{Error, Store};

use super::{Context, Registry};

pub(super) fn register(registry: Registry) -> Registry {
    let registry = codecs(registry);
    #[cfg(feature = "memory")]
    let registry = own_kind(registry, "memory", super::memory::MemorySettings::build);
    #[cfg(not(feature = "memory"))]
    let registry = registry.kind_needs("memory", "`memory`");
    #[cfg(feature = "redis")]
    let registry = own_kind(registry, "redis", super::redis::RedisSettings::build);
    #[cfg(not(feature = "redis"))]
    let registry = registry.kind_needs("redis", "`redis`");
    #[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
    let registry = own_kind(registry, "sql", super::sql::SqlSettings::build);
    #[cfg(not(any(feature = "mysql", feature = "postgres", feature = "sqlite")))]
    let registry = registry.kind_needs("sql", "`postgres`, `mysql` or `sqlite`");
    #[cfg(feature = "layered")]
    let registry = own_kind(registry, "layered", super::layered::LayeredSettings::build);
    #[cfg(not(feature = "layered"))]
    let registry = registry.kind_needs("layered", "`layered`");
    registry
}

fn codecs(registry: Registry) -> Registry {
    let registry = registry.built_in_codec("json", Json);
    #[cfg(feature = "msgpack")]
    let registry = registry.built_in_codec("msgpack", session_core::codec::MessagePack);
    #[cfg(not(feature = "msgpack"))]
    let registry = registry.codec_needs("msgpack", "`msgpack`");
    #[cfg(feature = "cbor")]
    let registry = registry.built_in_codec("cbor", session_core::codec::Cbor);
    #[cfg(not(feature = "cbor"))]
    let registry = registry.codec_needs("cbor", "`cbor`");
    registry
}

/// Registers a kind, with the schema of its settings where there are schemas.
#[allow(dead_code, reason = "without any store's feature, there are only others' kinds")]
fn own_kind<T, F>(registry: Registry, name: &str, build: F) -> Registry
where
    T: DeserializeOwned + Described + Send + Sync + 'static,
    F: Fn(&T, &mut Context<'_>) -> Result<Arc<dyn Store>, Error> + Send + Sync + 'static,
{
    #[cfg(feature = "config-schema")]
    return registry.kind_with_schema(name, build);
    #[cfg(not(feature = "config-schema"))]
    registry.kind(name, build)
}

/// What a kind of ours must be, so that editors know it.
#[cfg(feature = "config-schema")]
use schemars::JsonSchema as Described;

#[cfg(not(feature = "config-schema"))]
trait Described {}

#[cfg(not(feature = "config-schema"))]
impl<T> Described for T {}

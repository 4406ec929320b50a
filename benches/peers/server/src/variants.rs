//! The table of what is compared.

use crate::{
    bare, on_actix, on_axum_session, on_session_kit, on_session_kit_actix, on_tower_sessions,
    raw_cache, raw_redis,
};

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Where the stores are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub(crate) redis: String,
    pub(crate) postgres: String,
    pub(crate) sqlite: String,
}

/// One way to serve the application.
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    pub(crate) serve: fn(&Places) -> Result<(), Failure>,
}

const fn variant(name: &'static str, serve: fn(&Places) -> Result<(), Failure>) -> Variant {
    Variant { name, serve }
}

impl Variant {
    pub(crate) const ALL: &[Self] = &[
        variant("axum", bare::serve),
        variant("raw-moka", raw_cache::serve_alone),
        variant("raw-redis", raw_redis::serve),
        variant("raw-moka-redis", raw_cache::serve_before_redis),
        variant("session-kit-memory", on_session_kit::serve_memory),
        variant("session-kit-redis", on_session_kit::serve_redis),
        variant("session-kit-layered", on_session_kit::serve_layered),
        variant("session-kit-postgres", on_session_kit::serve_postgres),
        variant("session-kit-sqlite", on_session_kit::serve_sqlite),
        variant("tower-sessions-memory", on_tower_sessions::serve_memory),
        variant("tower-sessions-moka", on_tower_sessions::serve_moka),
        variant("tower-sessions-redis", on_tower_sessions::serve_redis),
        variant("tower-sessions-caching", on_tower_sessions::serve_caching),
        variant("tower-sessions-postgres", on_tower_sessions::serve_postgres),
        variant("axum_session-redis", on_axum_session::serve),
        variant("actix-web", on_actix::serve_bare),
        variant("actix-session-redis", on_actix::serve_redis),
        variant("session-kit-actix-memory", on_session_kit_actix::serve_memory),
        variant("session-kit-actix-redis", on_session_kit_actix::serve_redis),
        variant("session-kit-actix-layered", on_session_kit_actix::serve_layered),
    ];

    pub(crate) fn named(name: &str) -> Result<&'static Self, Failure> {
        let found = Self::ALL.iter().find(|variant| variant.name == name);
        found.ok_or_else(|| format!("no variant is called `{name}`").into())
    }
}

//! What is compared, and what can be asked of each.

/// A way to serve the application, by the name that `peers-server` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    /// For tables.
    pub(crate) title: &'static str,
    /// The same framework without sessions, which a ratio is taken to.
    pub(crate) floor: &'static str,
    pub(crate) kind: Kind,
    pub(crate) store: Store,
    /// Whether a run by `--quick` has it.
    quick: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Floor,
    /// What one would write by hand, with nothing of what sessions are for.
    Limit,
    Ours,
    Peer,
}

/// Where sessions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Nowhere,
    Process,
    Redis,
    /// In Redis, and a copy in the process.
    Both,
    Sql,
}

impl Variant {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().copied()
    }

    /// Those of a run.
    pub(crate) fn chosen(quick: bool, only: Option<&str>) -> Vec<Self> {
        let wanted = |variant: &Self| match only {
            Some(part) => variant.name.contains(part) || variant.is_reference(),
            None => variant.quick || !quick,
        };
        Self::all().filter(wanted).collect()
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::all().find(|variant| variant.name == name)
    }

    pub(crate) fn is_reference(&self) -> bool {
        matches!(self.kind, Kind::Floor | Kind::Limit)
    }

    pub(crate) fn asks_redis(&self) -> bool {
        matches!(self.store, Store::Redis | Store::Both)
    }

    /// Whether another process finds the same sessions. The limit with a cache never asks Redis.
    pub(crate) fn is_shared(&self) -> bool {
        match self.store {
            Store::Redis | Store::Sql => true,
            Store::Both => self.kind != Kind::Limit,
            Store::Nowhere | Store::Process => false,
        }
    }
}

const fn variant(
    name: &'static str,
    title: &'static str,
    floor: &'static str,
    kind: Kind,
    store: Store,
    quick: bool,
) -> Variant {
    Variant { name, title, floor, kind, store, quick }
}

#[rustfmt::skip]
const TABLE: &[Variant] = &[
    variant("axum", "axum, no sessions", "axum", Kind::Floor, Store::Nowhere, true),
    variant("raw-moka", "limit: moka in the handler", "axum", Kind::Limit, Store::Process, true),
    variant("raw-redis", "limit: `redis` in the handler", "axum", Kind::Limit, Store::Redis, true),
    variant("raw-moka-redis", "limit: moka and `redis` in the handler", "axum", Kind::Limit, Store::Both, true),
    variant("session-kit-memory", "session-kit, memory", "axum", Kind::Ours, Store::Process, true),
    variant("session-kit-redis", "session-kit, Redis", "axum", Kind::Ours, Store::Redis, true),
    variant("session-kit-layered", "session-kit, layered over Redis", "axum", Kind::Ours, Store::Both, true),
    variant("session-kit-postgres", "session-kit, PostgreSQL", "axum", Kind::Ours, Store::Sql, false),
    variant("session-kit-sqlite", "session-kit, SQLite", "axum", Kind::Ours, Store::Sql, false),
    variant("tower-sessions-memory", "tower-sessions, memory", "axum", Kind::Peer, Store::Process, true),
    variant("tower-sessions-moka", "tower-sessions, moka", "axum", Kind::Peer, Store::Process, false),
    variant("tower-sessions-redis", "tower-sessions, Redis (fred, 6)", "axum", Kind::Peer, Store::Redis, true),
    variant("tower-sessions-caching", "tower-sessions, CachingSessionStore (moka, Redis)", "axum", Kind::Peer, Store::Both, true),
    variant("tower-sessions-postgres", "tower-sessions, PostgreSQL (sqlx)", "axum", Kind::Peer, Store::Sql, false),
    variant("axum_session-redis", "axum_session, Redis", "axum", Kind::Peer, Store::Both, false),
    variant("actix-web", "actix-web, no sessions", "actix-web", Kind::Floor, Store::Nowhere, true),
    variant("actix-session-redis", "actix-session, Redis", "actix-web", Kind::Peer, Store::Redis, true),
    variant("session-kit-actix-memory", "session-kit on actix-web, memory", "actix-web", Kind::Ours, Store::Process, false),
    variant("session-kit-actix-redis", "session-kit on actix-web, Redis", "actix-web", Kind::Ours, Store::Redis, true),
    variant("session-kit-actix-layered", "session-kit on actix-web, layered over Redis", "actix-web", Kind::Ours, Store::Both, true),
];

#[cfg(test)]
mod tests {
    use super::{Kind, Variant};

    #[test]
    fn every_floor_is_a_floor() {
        for variant in Variant::all() {
            let floor = Variant::named(variant.floor).expect("a variant");
            assert_eq!(floor.kind, Kind::Floor, "{}", variant.name);
        }
    }

    #[test]
    fn a_choice_keeps_what_it_is_compared_with() {
        let names: Vec<_> =
            Variant::chosen(false, Some("caching")).iter().map(|variant| variant.name).collect();
        let all = [
            "axum",
            "raw-moka",
            "raw-redis",
            "raw-moka-redis",
            "tower-sessions-caching",
            "actix-web",
        ];
        assert_eq!(names, all);
    }
}

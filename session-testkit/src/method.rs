//! The calls of a store, by name.

/// A call that [`CountingStore`](crate::CountingStore) counts and
/// [`FaultyStore`](crate::FaultyStore) disturbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// [`Store::load`](session_core::Store::load).
    Load,
    /// [`Store::create`](session_core::Store::create).
    Create,
    /// [`Store::replace`](session_core::Store::replace).
    Replace,
    /// [`Store::rotate`](session_core::Store::rotate).
    Rotate,
    /// [`Store::touch`](session_core::Store::touch).
    Touch,
    /// [`Store::delete`](session_core::Store::delete).
    Delete,
    /// [`Store::purge_expired`](session_core::Store::purge_expired).
    PurgeExpired,
    /// [`Store::fence`](session_core::Store::fence).
    Fence,
    /// [`Store::flush`](session_core::Store::flush).
    Flush,
    /// [`SubjectIndex::list`](session_core::SubjectIndex::list).
    List,
}

impl Method {
    /// Every call.
    pub const ALL: [Self; 10] = [
        Self::Load,
        Self::Create,
        Self::Replace,
        Self::Rotate,
        Self::Touch,
        Self::Delete,
        Self::PurgeExpired,
        Self::Fence,
        Self::Flush,
        Self::List,
    ];

    /// The method's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Rotate => "rotate",
            Self::Touch => "touch",
            Self::Delete => "delete",
            Self::PurgeExpired => "purge_expired",
            Self::Fence => "fence",
            Self::Flush => "flush",
            Self::List => "list",
        }
    }
}

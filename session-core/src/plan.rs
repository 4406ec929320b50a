//! What is to be done at the end of a request: the one table.
//!
//! | arrived | handler did | store | transport |
//! |---|---|---|---|
//! | nothing | nothing, only read, or destroyed | – | – |
//! | nothing | wrote | create | set |
//! | live | nothing, touched lately | – | – |
//! | live | nothing, touch is due | touch | refresh |
//! | live | wrote | replace | refresh |
//! | live | rotated or logged in | rotate | set |
//! | live | destroyed | delete | clear |
//! | unknown, expired, malformed | nothing, only read, or destroyed | – | clear |
//! | unknown, expired, malformed | wrote | create, under a new id | set |
//! | unreadable | nothing, or only read | – | clear |
//! | unreadable | wrote | create, under a new id | set |
//! | unreadable | destroyed | delete | clear |
//!
//! A request that does not use its session never gets here, nor does one whose session could
//! not be read: both leave the store and the client's token alone.

/// What came with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// No token.
    Nothing,
    /// The token of a live session.
    Live {
        /// Whether it is time to move the idle deadline.
        touch_due: bool,
    },
    /// Something that is no token, or the token of no live session.
    Dead,
    /// The token of a session that this node cannot decode; others may.
    Unreadable,
}

/// What the handler did. Independent flags: the order in which they were raised is no matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Intent {
    /// Changed what is stored.
    pub(crate) changed: bool,
    /// Asked for a new id.
    pub(crate) rotate: bool,
    /// Ended the session.
    pub(crate) destroy: bool,
}

/// What the store is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreCall {
    None,
    Create,
    Replace,
    Rotate,
    Touch,
    Delete,
}

impl StoreCall {
    /// In one word, stable for traces.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Rotate => "rotate",
            Self::Touch => "touch",
            Self::Delete => "delete",
        }
    }
}

/// What the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransportChange {
    /// Nothing: it keeps what it has.
    Keep,
    /// A token to keep.
    Set,
    /// To keep its token for longer, if it was told for how long at all.
    Refresh,
    /// To forget its token.
    Clear,
}

pub(crate) fn plan(arrived: Arrived, intent: Intent) -> (StoreCall, TransportChange) {
    let Intent { changed, rotate, destroy } = intent;
    match (arrived, destroy, rotate, changed) {
        (Arrived::Nothing, true, _, _) | (Arrived::Nothing, false, _, false) => {
            (StoreCall::None, TransportChange::Keep)
        }
        (Arrived::Dead, true, _, _) | (Arrived::Dead | Arrived::Unreadable, false, _, false) => {
            (StoreCall::None, TransportChange::Clear)
        }
        (Arrived::Nothing | Arrived::Dead | Arrived::Unreadable, false, _, true) => {
            (StoreCall::Create, TransportChange::Set)
        }
        (Arrived::Live { .. } | Arrived::Unreadable, true, _, _) => {
            (StoreCall::Delete, TransportChange::Clear)
        }
        (Arrived::Live { .. }, false, true, _) => (StoreCall::Rotate, TransportChange::Set),
        (Arrived::Live { .. }, false, false, true) => {
            (StoreCall::Replace, TransportChange::Refresh)
        }
        (Arrived::Live { touch_due: true }, false, false, false) => {
            (StoreCall::Touch, TransportChange::Refresh)
        }
        (Arrived::Live { touch_due: false }, false, false, false) => {
            (StoreCall::None, TransportChange::Keep)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: [bool; 2] = [false, true];

    fn intents() -> impl Iterator<Item = Intent> {
        FLAGS.into_iter().flat_map(|changed| {
            FLAGS.into_iter().flat_map(move |rotate| {
                FLAGS.into_iter().map(move |destroy| Intent { changed, rotate, destroy })
            })
        })
    }

    const ARRIVALS: [Arrived; 5] = [
        Arrived::Nothing,
        Arrived::Live { touch_due: false },
        Arrived::Live { touch_due: true },
        Arrived::Dead,
        Arrived::Unreadable,
    ];

    /// Every cell, written out as the documents have it.
    #[test]
    fn every_cell_is_as_documented() {
        use {StoreCall as S, TransportChange as T};
        const NO: (S, T) = (S::None, T::Keep);
        const CLEAR: (S, T) = (S::None, T::Clear);
        const CREATE: (S, T) = (S::Create, T::Set);
        const REPLACE: (S, T) = (S::Replace, T::Refresh);
        const ROTATE: (S, T) = (S::Rotate, T::Set);
        const TOUCH: (S, T) = (S::Touch, T::Refresh);
        const DELETE: (S, T) = (S::Delete, T::Clear);
        // changed, rotate, destroy; then nothing, live, live and due, dead, unreadable
        let table = [
            ((0, 0, 0), [NO, NO, TOUCH, CLEAR, CLEAR]),
            ((1, 0, 0), [CREATE, REPLACE, REPLACE, CREATE, CREATE]),
            ((0, 1, 0), [NO, ROTATE, ROTATE, CLEAR, CLEAR]),
            ((1, 1, 0), [CREATE, ROTATE, ROTATE, CREATE, CREATE]),
            ((0, 0, 1), [NO, DELETE, DELETE, CLEAR, DELETE]),
            ((1, 0, 1), [NO, DELETE, DELETE, CLEAR, DELETE]),
            ((0, 1, 1), [NO, DELETE, DELETE, CLEAR, DELETE]),
            ((1, 1, 1), [NO, DELETE, DELETE, CLEAR, DELETE]),
        ];
        let mut cells = 0;
        for ((changed, rotate, destroy), row) in table {
            let intent =
                Intent { changed: changed == 1, rotate: rotate == 1, destroy: destroy == 1 };
            for (arrived, expected) in ARRIVALS.into_iter().zip(row) {
                assert_eq!(plan(arrived, intent), expected, "{arrived:?} {intent:?}");
                cells += 1;
            }
        }
        assert_eq!(cells, ARRIVALS.len() * intents().count());
    }

    #[test]
    fn a_dead_session_is_never_written_again() {
        for intent in intents() {
            let (call, _) = plan(Arrived::Dead, intent);
            assert!(matches!(call, StoreCall::None | StoreCall::Create), "{intent:?}");
        }
    }

    #[test]
    fn destroying_wins_over_everything_else() {
        for arrived in ARRIVALS {
            for intent in intents().filter(|intent| intent.destroy) {
                let (call, change) = plan(arrived, intent);
                assert!(matches!(call, StoreCall::None | StoreCall::Delete));
                assert!(matches!(change, TransportChange::Keep | TransportChange::Clear));
            }
        }
    }
}

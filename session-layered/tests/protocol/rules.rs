//! The rules of the protocol, each of which can be switched off.

/// A rule, or an order of steps, that the promise depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// An announcement evicts the entry, if that is of an earlier revision. Off: it does not.
    Eviction,
    /// An announcement moves the stripe's generation. Off: it does not.
    InvalidationGeneration,
    /// A load is inserted only if the generation is that of its ticket. Off: whatever it is.
    FillGeneration,
    /// The subscriber extends the lease, once it comes to the echo behind the announcements. Off:
    /// the reply to the echo's call does.
    EchoInOrder,
    /// An entry is served only before the end of the lease. Off: at any time.
    Lease,
    /// The clock is read last. Off: as soon as the lease is read.
    ClockLast,
    /// An entry is served only under the subscription number it is labelled with. Off: under any.
    Label,
    /// A load's entry is labelled with the number of when its ticket was taken. Off: with that of
    /// when it is inserted.
    FillLabel,
    /// A local write's entry is labelled with the number of when the write was registered. Off:
    /// with that of when it is inserted.
    LocalLabel,
    /// The subscription number is read after the lease. Off: before it.
    LeaseBeforeNumber,
    /// The number is moved before a message of the new subscription is handled. Off: maybe after.
    NumberFirst,
    /// An echo that brings another epoch moves the number before it extends the lease. Off: an
    /// epoch is not looked at.
    Epoch,
    /// A serve reads the generation again, after the entry and the lease. Off: it does not.
    GenerationAgain,
    /// An acknowledged local write evicts the entry. Off: it does not.
    LocalEviction,
    /// An acknowledged local write moves the stripe's generation. Off: it does not.
    LocalGeneration,
    /// A local write is not inserted if something later was announced since it was registered.
    /// Off: announcements do not tell.
    SeenByAnnouncement,
    /// A local write is not inserted if something later was acknowledged to another local write
    /// since it was registered. Off: acknowledgements do not tell.
    SeenByAcknowledgement,
    /// A flight is joined only in the generation it began in. Off: in any.
    JoinGeneration,
    /// A flight is joined only if it began less than D ago. Off: however long ago.
    JoinAge,
    /// A key that was removed is not written again: of the store's contract, a removed session is
    /// gone for good. Off: its next revision is 1.
    GoneForGood,
}

impl Rule {
    pub(crate) const EVERY: [Self; 20] = [
        Self::Eviction,
        Self::InvalidationGeneration,
        Self::FillGeneration,
        Self::EchoInOrder,
        Self::Lease,
        Self::ClockLast,
        Self::Label,
        Self::FillLabel,
        Self::LocalLabel,
        Self::LeaseBeforeNumber,
        Self::NumberFirst,
        Self::Epoch,
        Self::GenerationAgain,
        Self::LocalEviction,
        Self::LocalGeneration,
        Self::SeenByAnnouncement,
        Self::SeenByAcknowledgement,
        Self::JoinGeneration,
        Self::JoinAge,
        Self::GoneForGood,
    ];
}

/// Which rules are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    off: Option<Rule>,
}

impl Rules {
    pub(crate) const ALL: Self = Self { off: None };

    pub(crate) const fn all_but(rule: Rule) -> Self {
        Self { off: Some(rule) }
    }

    pub(crate) fn keep(self, rule: Rule) -> bool {
        self.off != Some(rule)
    }
}

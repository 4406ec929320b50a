//! What a request knows of its session, and what it wants of it.

use std::sync::{Arc, LazyLock};

use super::changes::{Log, Name, Operation, View};
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::fields::Fields;
use crate::key::Key;
use crate::plan::{Arrived, Intent, TransportChange};
use crate::record::Record;
use crate::subject::{Device, Subject};
use crate::timeouts::Timeouts;
use crate::token::Token;

/// What the store had when it was last asked.
#[derive(Clone)]
pub(super) enum Base {
    Nothing,
    Live(Live),
    Dead,
    /// A session that this node cannot decode.
    Unreadable(Key),
}

/// A session as last seen in the store.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) token: Token,
    pub(crate) key: Key,
    pub(crate) record: Arc<Record>,
    pub(crate) fields: Arc<Fields>,
    /// Later than the record's own after a touch.
    pub(crate) idle_deadline: Timestamp,
}

impl Base {
    pub(super) fn live(&self) -> Option<&Live> {
        match self {
            Self::Live(live) => Some(live),
            Self::Nothing | Self::Dead | Self::Unreadable(_) => None,
        }
    }

    /// The stored fields, or none for a request that starts over.
    pub(super) fn fields(&self, restart: bool) -> &Fields {
        static NONE: LazyLock<Fields> = LazyLock::new(Fields::default);
        match self {
            Self::Live(live) if !restart => &live.fields,
            _ => &NONE,
        }
    }

    pub(super) fn arrived(&self, touch_due: impl FnOnce(&Live) -> bool) -> Arrived {
        match self {
            Self::Nothing => Arrived::Nothing,
            Self::Live(live) => Arrived::Live { touch_due: touch_due(live) },
            Self::Dead => Arrived::Dead,
            Self::Unreadable(_) => Arrived::Unreadable,
        }
    }
}

/// What the handler did and no commit has saved yet.
#[derive(Clone, Default)]
pub(super) struct Pending {
    pub(super) log: Log,
    /// The log starts from no fields and a new record, whatever is stored.
    pub(super) restart: bool,
    pub(super) rotate: bool,
    pub(super) destroy: bool,
    pub(super) subject: Option<Subject>,
    pub(super) device: Option<Arc<Device>>,
    /// `Some(None)` goes back to the application's timeouts.
    pub(super) timeouts: Option<Option<Timeouts>>,
}

impl Pending {
    pub(super) fn intent(&self, base: &Base) -> Intent {
        let Self { log, restart, rotate, destroy, subject, device, timeouts } = self;
        let content = !log.is_empty() || subject.is_some();
        Intent {
            // Circumstances alone are no reason to create a session.
            changed: content || base.live().is_some() && (device.is_some() || timeouts.is_some()),
            rotate: *rotate || subject.is_some() || *restart,
            // A restart with nothing to start from is an end.
            destroy: *destroy || *restart && !content,
        }
    }

    /// Whether saving this makes up for the loss of `other`: nothing of that one is missing, or
    /// the session has ended or started over, and nothing of it is wanted any more.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let Self { log, restart, rotate, destroy, subject, device, timeouts } = other;
        self.destroy
            || self.restart
            || !(*destroy || *restart)
                && self.log.covers(log)
                && (!rotate || self.rotate || self.subject.is_some())
                && (subject.is_none() || *subject == self.subject)
                && (device.is_none() || self.device.is_some())
                && (timeouts.is_none() || self.timeouts.is_some())
    }

    /// Puts what was taken for a commit that did not happen back, before what came later.
    pub(super) fn put_back(&mut self, earlier: Self) {
        let later = std::mem::replace(self, earlier);
        if later.restart {
            let destroy = self.destroy;
            *self = later;
            self.destroy |= destroy;
            return;
        }
        let Self { log, restart: _, rotate, destroy, subject, device, timeouts } = later;
        self.log.append(log);
        self.rotate |= rotate;
        self.destroy |= destroy;
        self.subject = subject.or(self.subject.take());
        self.device = device.or(self.device.take());
        self.timeouts = timeouts.or(self.timeouts.take());
    }
}

/// What was not saved, and why.
pub(super) struct Lost {
    pub(super) kind: ErrorKind,
    pub(super) pending: Pending,
}

pub(super) struct State {
    pub(super) base: Base,
    /// The fields with the pending log applied.
    pub(super) view: View,
    pub(super) pending: Pending,
    /// What a commit under way is about to save: still what this request wants.
    pub(super) in_flight: Option<Arc<Pending>>,
    /// Moves with every change of the above, so that a closure which ran outside the lock knows
    /// whether what it saw still holds.
    pub(super) version: u64,
    /// What earlier commits of this request want the client to be told.
    pub(super) transport: TransportChange,
    /// What a commit was to save and nobody knows to be saved.
    pub(super) lost: Option<Lost>,
    /// How often something was lost.
    pub(super) losses: u64,
    /// The response has begun: no token can be handed over any more.
    pub(super) responded: bool,
}

impl State {
    pub(super) fn new(base: Base) -> Self {
        Self {
            base,
            view: View::default(),
            pending: Pending::default(),
            in_flight: None,
            version: 0,
            transport: TransportChange::Keep,
            lost: None,
            losses: 0,
            responded: false,
        }
    }

    /// The stored fields that the view lies over.
    pub(super) fn base_fields(&self) -> &Fields {
        self.base.fields(self.starts_over())
    }

    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.view.get(self.base_fields(), name)
    }

    pub(super) fn has_no_fields(&self) -> bool {
        self.view.is_empty(self.base_fields())
    }

    /// The stored session, unless this request starts over.
    pub(super) fn live(&self) -> Option<&Live> {
        self.base.live().filter(|_| !self.starts_over())
    }

    /// What this request wants, latest first.
    fn wanted(&self) -> impl Iterator<Item = &Pending> {
        // What was to be saved before the request started over is wanted no more.
        let in_flight = self.in_flight.as_deref().filter(|_| !self.pending.restart);
        std::iter::once(&self.pending).chain(in_flight)
    }

    fn starts_over(&self) -> bool {
        self.wanted().any(|pending| pending.restart)
    }

    pub(super) fn subject(&self) -> Option<&Subject> {
        let wanted = self.wanted().find_map(|pending| pending.subject.as_ref());
        wanted.or_else(|| self.live()?.record.subject.as_ref())
    }

    pub(super) fn device(&self) -> Option<&Arc<Device>> {
        let wanted = self.wanted().find_map(|pending| pending.device.as_ref());
        wanted.or_else(|| self.live()?.record.device.as_ref())
    }

    /// Timeouts of the session's own.
    pub(super) fn timeouts(&self) -> Option<Timeouts> {
        let wanted = self.wanted().find_map(|pending| pending.timeouts);
        wanted.unwrap_or_else(|| self.live()?.record.timeouts)
    }

    /// Logs an operation and shows its effect; `Update` shows through `put`, by its caller.
    pub(super) fn push(&mut self, operation: Operation) {
        match &operation {
            Operation::Insert(name, value) => self.view.put(name, Some(value.clone())),
            Operation::Remove(name) => self.view.put(name, None),
            Operation::Clear => self.view.clear(),
            Operation::Update(..) => {}
        }
        self.pending.log.push(operation);
        self.version += 1;
    }

    /// Drops what would only say that there is no field where nothing is stored anyway: that is
    /// no reason to create a session.
    pub(super) fn forget_absent(&mut self, name: Option<&Name>) {
        if self.live().is_none() && self.in_flight.is_none() {
            match name {
                Some(name) => self.pending.log.forget(name),
                None => self.pending.log = Log::default(),
            }
        }
    }

    /// Remembers that what was to be saved may not be, with all that was lost before.
    pub(super) fn lose(&mut self, kind: ErrorKind, mut pending: Pending) {
        self.losses += 1;
        if let Some(earlier) = self.lost.take() {
            pending.put_back(earlier.pending);
        }
        self.lost = Some(Lost { kind, pending });
    }

    /// Forgets all content and starts from nothing, under a new id.
    pub(super) fn restart(&mut self) {
        let destroy = self.pending.destroy;
        self.pending = Pending { restart: true, destroy, ..Pending::default() };
        self.view = View::default();
        self.version += 1;
    }
}

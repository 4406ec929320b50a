//! What a request knows of its session, and what it wants of it.

use std::sync::{Arc, LazyLock};

use super::changes::{Log, Operation, View};
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
            Self::Nothing | Self::Dead => None,
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

pub(super) struct State {
    pub(super) base: Base,
    /// The fields with the pending log applied.
    pub(super) view: View,
    pub(super) pending: Pending,
    /// Moves with every change of the above, so that a closure which ran outside the lock knows
    /// whether what it saw still holds.
    pub(super) version: u64,
    /// What earlier commits of this request want the client to be told.
    pub(super) transport: TransportChange,
    /// The last commit failed, and what it was to save is lost.
    pub(super) lost: Option<ErrorKind>,
    /// The response has begun: no token can be handed over any more.
    pub(super) responded: bool,
}

impl State {
    pub(super) fn new(base: Base) -> Self {
        Self {
            base,
            view: View::default(),
            pending: Pending::default(),
            version: 0,
            transport: TransportChange::Keep,
            lost: None,
            responded: false,
        }
    }

    /// The stored fields that the view lies over.
    pub(super) fn base_fields(&self) -> &Fields {
        self.base.fields(self.pending.restart)
    }

    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.view.get(self.base_fields(), name)
    }

    pub(super) fn has_no_fields(&self) -> bool {
        self.view.is_empty(self.base_fields())
    }

    /// The stored record, unless this request starts over.
    pub(super) fn record(&self) -> Option<&Record> {
        self.base.live().filter(|_| !self.pending.restart).map(|live| &*live.record)
    }

    pub(super) fn subject(&self) -> Option<&Subject> {
        self.pending.subject.as_ref().or_else(|| self.record()?.subject.as_ref())
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

    /// Forgets all content and starts from nothing, under a new id.
    pub(super) fn restart(&mut self) {
        let Pending { destroy, timeouts: _, log: _, restart: _, rotate: _, subject: _, device: _ } =
            std::mem::take(&mut self.pending);
        self.pending.destroy = destroy;
        self.pending.restart = true;
        self.view = View::default();
        self.version += 1;
    }
}

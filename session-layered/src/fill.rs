//! What becomes of a record that was read from the shared store (rule 4).

use std::sync::Arc;

use session_core::{Error, ErrorKind, Key, Loaded, Record, Touch};

use crate::cache::Entry;
use crate::flight::Landed;
use crate::lane::Subscribed;
use crate::node::Node;
use crate::stats::Count;

/// What was so before a load was sent: if it still is when the answer is there, the answer may be
/// kept.
#[derive(Clone)]
pub(crate) struct Ticket {
    generation: u64,
    /// The entry will be dead as soon as there is another subscription. `None` if nobody would
    /// tell of changes: then nothing is kept.
    pub(crate) under: Option<Subscribed>,
}

impl Ticket {
    /// Whether nothing has changed between the two.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let is_same_subscription = match (&self.under, &other.under) {
            (Some(one), Some(other)) => one.is_same(other),
            (None, None) => true,
            _ => false,
        };
        self.generation == other.generation && is_same_subscription
    }
}

impl Node {
    /// To be taken before a load is sent.
    pub(crate) fn ticket(&self, key: &Key) -> Ticket {
        let generation = self.stripes.of(key).generation();
        Ticket { generation, under: self.subscribed(key) }
    }

    /// Keeps what a load has found, if it may. `held` is what the load was told to be known.
    pub(crate) async fn land(
        &self,
        key: &Key,
        ticket: &Ticket,
        held: Option<Arc<Entry>>,
        loaded: Loaded,
    ) -> Landed {
        let record = match (loaded, held) {
            (Loaded::Found { record, .. }, _) => record,
            (Loaded::Unchanged { idle_deadline }, Some(entry)) => {
                if entry.record.idle_deadline == idle_deadline {
                    entry.confirm(idle_deadline);
                    return Ok(Some(Arc::clone(&entry.record)));
                }
                Arc::new(Record { idle_deadline, ..Record::clone(&entry.record) })
            }
            (Loaded::Unchanged { .. }, None) => {
                let message = "the store compared with a revision it was not given";
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
            (Loaded::Absent, _) => {
                self.fill(key, ticket, None);
                return Ok(None);
            }
        };
        if self.is_risen(key, ticket) {
            self.bury_again(key).await;
            return Ok(None);
        }
        self.fill(key, ticket, Some(Arc::clone(&record)));
        Ok(Some(record))
    }

    /// The shared store has moved an idle deadline.
    pub(crate) fn extended(&self, touch: &Touch, ticket: &Ticket) {
        let Some(entry) = self.cache.peek(&touch.key) else { return };
        let idle_deadline = touch.idle_deadline.min(entry.record.absolute_deadline);
        if idle_deadline <= entry.record.idle_deadline {
            return;
        }
        let locked = self.stripes.of(&touch.key).lock();
        if locked.generation() == ticket.generation {
            let record = Arc::new(Record { idle_deadline, ..Record::clone(&entry.record) });
            self.cache.insert(touch.key, Arc::new(Entry::new(record, entry.under.clone())));
        } else {
            // Whatever is cached now may be from before the touch, or from after it.
            self.cache.remove(&touch.key);
        }
    }

    /// Puts a record into the cache, or takes away what is not there any more, unless something has
    /// changed since the ticket was taken.
    fn fill(&self, key: &Key, ticket: &Ticket, record: Option<Arc<Record>>) {
        let locked = self.stripes.of(key).lock();
        if locked.generation() != ticket.generation && self.defences.stripes {
            self.counters.add(Count::FillRefused);
            return;
        }
        match (record, &ticket.under) {
            (Some(record), Some(under)) => {
                self.cache.insert(*key, Arc::new(Entry::new(record, under.clone())));
                self.counters.add(Count::Filled);
            }
            _ => self.cache.remove(key),
        }
    }
}

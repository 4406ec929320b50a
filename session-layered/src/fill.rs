//! What becomes of a record that was read from the shared store (rule 4).

use std::sync::Arc;

use session_core::{Change, Error, ErrorKind, Key, Loaded, Record, Touch};

use crate::cache::Entry;
use crate::flight::Landed;
use crate::lane::Subscribed;
use crate::node::Node;
use crate::stats::Count;

/// What was so before a load was sent: if it still is when the answer is there, the answer may be
/// kept.
pub(crate) struct Ticket {
    pub(crate) generation: u64,
    /// The entry will be dead as soon as there is another subscription. `None` if nobody would
    /// tell of changes: then nothing is kept.
    pub(crate) under: Option<Subscribed>,
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
        let locked = self.stripes.of(&touch.key).lock();
        let Some(entry) = self.cache.peek(&touch.key) else { return };
        let idle_deadline = touch.idle_deadline.min(entry.record.absolute_deadline);
        if idle_deadline <= entry.record.idle_deadline {
            return;
        }
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
        let mut locked = self.stripes.of(key).lock();
        if locked.generation() != ticket.generation && self.defences.stripes {
            self.counters.add(Count::FillRefused);
            return;
        }
        match (record, &ticket.under) {
            // Of two loads the one that was sent later may land first.
            (Some(record), Some(under)) if !self.has_later(key, &record, under) => {
                // It was read after whatever has told that it was removed.
                self.tombstones.lift(key);
                // Whoever writes it now does not put an older one in its place.
                locked.tell(key, Change::Revision(record.revision));
                self.cache.insert(*key, Arc::new(Entry::new(record, under.clone())));
                self.counters.add(Count::Filled);
            }
            (Some(_), Some(_)) => self.counters.add(Count::FillRefused),
            _ => self.cache.remove(key),
        }
    }

    fn has_later(&self, key: &Key, record: &Record, under: &Subscribed) -> bool {
        let cached = self.cache.peek(key);
        cached.is_some_and(|entry| {
            entry.under.is_same(under) && entry.record.revision > record.revision
        })
    }
}

//! What a commit is going to write.

use std::sync::Arc;

use super::Attempt;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::fields::Fields;
use crate::key::Key;
use crate::record::{Record, Revision};
use crate::session::state::Pending;

impl Attempt<'_> {
    /// The record to write, with the log replayed on the base as it now is.
    pub(super) fn draft(
        &self,
        key: &Key,
        now: Timestamp,
    ) -> Result<(Arc<Record>, Arc<Fields>), Error> {
        let settings = self.settings();
        let Pending { log, restart, rotate: _, destroy: _, subject, device, timeouts } =
            &*self.pending;
        let previous = self.base.live().filter(|_| !*restart);
        let view = log.replay(self.base.fields(*restart))?;
        let (fields, payload) = match previous {
            Some(live) if view.is_base() && *key == live.key => {
                (Arc::clone(&live.fields), live.record.payload.clone())
            }
            _ => {
                let fields = Arc::new(view.merge(self.base.fields(*restart)));
                let payload = settings.format().encode(key, &fields)?;
                (fields, payload)
            }
        };
        let previous = previous.map(|live| &*live.record);
        let own = timeouts.unwrap_or_else(|| previous.and_then(|record| record.timeouts));
        let in_force = own.unwrap_or(settings.policy().timeouts);
        let absolute_deadline = match previous {
            Some(record) if subject.is_none() && timeouts.is_none() => record.absolute_deadline,
            _ => now.plus(in_force.absolute()),
        };
        let signed_in = subject.is_some();
        let record = Record {
            revision: Revision::UNSAVED,
            created_at: previous.map_or(now, |record| record.created_at),
            authenticated_at: match previous {
                _ if signed_in => Some(now),
                Some(record) => record.authenticated_at,
                None => None,
            },
            idle_deadline: in_force.idle_deadline(now, absolute_deadline),
            absolute_deadline,
            timeouts: own,
            subject: subject.clone().or_else(|| previous?.subject.clone()),
            device: device.clone().or_else(|| previous?.device.clone()),
            payload,
        };
        Ok((Arc::new(record), fields))
    }
}

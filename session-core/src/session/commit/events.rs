//! What a commit tells those who watch, once the store has answered.

use super::Attempt;
use crate::observer::{Ending, SessionEvent};
use crate::session::state::Live;

impl Attempt<'_> {
    pub(super) fn tell(&self, event: SessionEvent) {
        self.sessions().observers().tell(event);
    }

    pub(super) fn tell_replaced(&self, rotated: bool) {
        if self.pending.restart {
            // A log-out, and what the handler stored afterwards.
            self.tell(SessionEvent::Destroyed(Ending::Request));
            self.tell(SessionEvent::Created);
        } else {
            self.tell(if rotated { SessionEvent::Rotated } else { SessionEvent::Replaced });
        }
    }

    /// The session that was read is not there any more.
    pub(super) fn tell_gone(&self, live: &Live) {
        let deadline = live.idle_deadline.min(live.record.absolute_deadline);
        let is_over = self.sessions().clock().now() >= deadline;
        self.tell(if is_over { SessionEvent::Expired } else { SessionEvent::Gone });
    }
}

//! What happens to sessions, counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use session_core::{
    Ending, ErrorKind, Observer as _, Rejection, SessionEvent, Sessions, Source, Stage, Subject,
};
use session_layered::observe::SessionMetrics;
use session_memory::MemoryStore;

use super::meter::Metered;

#[test]
fn every_event_has_its_counter() {
    let metered = Metered::new();
    let metrics = SessionMetrics::new(&metered.meter());
    for (event, name, attributes, count) in [
        (
            SessionEvent::Loaded(Source::Local),
            "session.loads",
            "session.outcome=found,session.source=local",
            1,
        ),
        (SessionEvent::Absent, "session.loads", "session.outcome=absent", 1),
        (SessionEvent::Unreadable, "session.loads", "session.outcome=unreadable", 1),
        (
            SessionEvent::Rejected(Rejection::Unverified),
            "session.tokens.rejected",
            "session.reason=unverified",
            1,
        ),
        (SessionEvent::Created, "session.created", "", 1),
        (SessionEvent::Replaced, "session.replaced", "", 1),
        (SessionEvent::Rotated, "session.rotated", "", 1),
        (SessionEvent::Touched, "session.touched", "", 1),
        (
            SessionEvent::Destroyed(Ending::Revoked),
            "session.destroyed",
            "session.reason=revoked",
            1,
        ),
        (SessionEvent::Expired, "session.expired", "", 1),
        (SessionEvent::Gone, "session.gone", "", 1),
        (SessionEvent::Conflict, "session.conflicts", "", 1),
        (SessionEvent::Replayed(3), "session.replays", "", 3),
        (
            SessionEvent::Failed(Stage::Load, ErrorKind::Timeout),
            "session.failures",
            "error.type=timeout,session.stage=load",
            1,
        ),
    ] {
        let before = metered.counts(name).get(attributes).copied().unwrap_or(0);
        metrics.observe(event);
        let after = metered.counts(name).get(attributes).copied().unwrap_or(0);
        assert_eq!(after - before, count, "{event:?}");
    }
    let loads = metered.counts("session.loads");
    assert_eq!(loads["session.outcome=rejected"], 1, "{loads:?}");
    assert_eq!(loads["session.outcome=error"], 1, "{loads:?}");
}

#[tokio::test]
async fn sessions_of_several_kinds_add_up() {
    let metered = Metered::new();
    for name in ["visitor", "admin"] {
        let sessions = Sessions::builder(MemoryStore::new())
            .namespace(name)
            .observer(Arc::new(SessionMetrics::new(&metered.meter())))
            .build()
            .unwrap();
        let session = sessions.open([]).load().await.unwrap();
        session.log_in(Subject::new("ada").unwrap());
        session.commit().await.unwrap();
    }
    assert_eq!(metered.counts("session.created"), BTreeMap::from([(String::new(), 2)]));
}

//! The one question: whose request is this?

use std::time::Duration;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use session_kit::axum::LazySession;
use session_kit::{Clock as _, Consistency, Session, SystemClock, Timestamp};

use crate::identity::Identity;
use crate::refusal::Refusal;

/// What a route asks of a session besides somebody who is signed in to it.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Demands {
    #[serde(default)]
    consistency: Freshness,
    /// In seconds.
    max_age: Option<u64>,
}

#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Freshness {
    #[default]
    Cached,
    Strong,
}

pub(crate) async fn authenticate(
    demands: Result<Query<Demands>, QueryRejection>,
    session: LazySession,
) -> Result<Response, Refusal> {
    let Query(demands) = demands.map_err(|rejection| Refusal::BadDemands(rejection.body_text()))?;
    let session = session.load_with(demands.consistency()).await.map_err(Refusal::Session)?;
    let identity = Identity::of(&session).ok_or(Refusal::SignedOut)?;
    demands.check_age(&session, SystemClock.now())?;
    Ok(identity.into_response())
}

impl Demands {
    fn consistency(&self) -> Consistency {
        match self.consistency {
            Freshness::Cached => Consistency::Cached,
            Freshness::Strong => Consistency::Strong,
        }
    }

    fn check_age(&self, session: &Session, now: Timestamp) -> Result<(), Refusal> {
        if self.allow(session.authenticated_at(), now) { Ok(()) } else { Err(Refusal::TooOld) }
    }

    fn allow(&self, authenticated_at: Option<Timestamp>, now: Timestamp) -> bool {
        let Some(max_age) = self.max_age else { return true };
        // Who never proved anything did not do so lately.
        authenticated_at.is_some_and(|then| now.since(then) <= Duration::from_secs(max_age))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demands(query: &str) -> Result<Demands, QueryRejection> {
        let uri = format!("/auth?{query}").parse().unwrap();
        Query::try_from_uri(&uri).map(|Query(demands)| demands)
    }

    #[test]
    fn a_demand_is_known_or_refused() {
        assert_eq!(demands("").unwrap(), Demands::default());
        assert_eq!(demands("").unwrap().consistency(), Consistency::Cached);
        let both = demands("max_age=300&consistency=strong").unwrap();
        assert_eq!((both.consistency(), both.max_age), (Consistency::Strong, Some(300)));
        for query in [
            "consistency=stronk",
            "consistancy=strong",
            "max-age=300",
            "max_age=",
            "max_age=-1",
            "max_age=5m",
            "max_age=1&max_age=300",
        ] {
            assert!(demands(query).is_err(), "{query}");
        }
    }

    #[test]
    fn the_age_counts_from_the_last_proof() {
        let at = Timestamp::from_millis;
        let minute = demands("max_age=60").unwrap();
        assert!(minute.allow(Some(at(1_000)), at(61_000)));
        assert!(!minute.allow(Some(at(1_000)), at(61_001)));
        assert!(!minute.allow(None, at(1_000)));
        // By a clock that is ahead of ours.
        assert!(minute.allow(Some(at(2_000)), at(1_000)));
        assert!(demands(&format!("max_age={}", u64::MAX)).unwrap().allow(Some(at(0)), at(1)));
        assert!(demands("").unwrap().allow(None, at(1_000)));
    }
}

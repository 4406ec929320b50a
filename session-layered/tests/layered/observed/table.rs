//! The documented table has every instrument as it is, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use session_core::{ErrorKind, Load, SessionCookie, Sessions, Store, Subject, Timeouts};
use session_layered::observe::{Observed, SessionMetrics};
use session_memory::MemoryStore;
use session_testkit::{FaultyStore, ManualClock, Method};

use super::meter::Metered;
use crate::fixture::{eventually, layered, until_leased};

const TABLE: &str = include_str!("../../../src/observe/metrics.md");

/// How long a session lives unused.
const IDLE: Duration = Duration::from_secs(100);

/// Instrument, unit, and attributes by name.
type Documented = BTreeMap<String, (String, String, BTreeSet<String>)>;

fn documented() -> Documented {
    let rows = TABLE.lines().filter(|line| line.starts_with("| `session."));
    let mut table = Documented::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, instrument, unit, attributes, meaning] = cells.as_slice() else {
            panic!("five cells: {row}")
        };
        assert!(!meaning.is_empty(), "{row}");
        let attributes = attributes.split(", ").map(plain).filter(|it| !it.is_empty()).collect();
        let cells = (plain(instrument), plain(unit), attributes);
        assert!(table.insert(plain(name), cells).is_none(), "twice: {row}");
    }
    table
}

fn plain(cell: &str) -> String {
    cell.trim().trim_matches('`').to_owned()
}

#[tokio::test]
async fn the_table_has_every_instrument_as_it_is() {
    let metered = Metered::new();
    everything_happens(&metered).await;
    let exported: Documented = metered
        .export()
        .into_iter()
        .map(|(name, it)| {
            let attributes = it.attributes();
            (name, (it.instrument.to_owned(), it.unit, attributes))
        })
        .collect();
    let documented = documented();
    assert!(documented.len() > 25, "{documented:?}");
    for (name, row) in &documented {
        assert_eq!(exported.get(name), Some(row), "{name}: as exported, and as documented");
    }
    let undocumented: Vec<&String> =
        exported.keys().filter(|name| !documented.contains_key(*name)).collect();
    assert!(undocumented.is_empty(), "{undocumented:?}");
}

/// A visitor's cookie, and what becomes of it.
struct Visit<'a> {
    sessions: &'a Sessions,
    cookie: String,
}

impl Visit<'_> {
    async fn go(&mut self, handle: impl FnOnce(&session_core::Session)) {
        let lazy = self.sessions.open([self.cookie.as_bytes()]);
        if let Ok(session) = lazy.load().await {
            handle(&session);
        }
        if let Some(header) = lazy.finish(false).await.header {
            self.cookie = header.split(';').next().unwrap().to_owned();
        }
    }
}

/// At least once each: what no instrument shows before it has happened.
async fn everything_happens(metered: &Metered) {
    let (clock, meter) = (ManualClock::default(), metered.meter());
    let memory = MemoryStore::builder().clock(Arc::new(clock.clone())).build().unwrap();
    let faulty = Arc::new(FaultyStore::new(Arc::new(memory.clone())));
    let shared: Arc<dyn Store> = Arc::new(Observed::shared(faulty.clone(), "memory", &meter));
    let node = layered(Arc::clone(&shared)).clock(Arc::new(clock.clone())).meter(meter.clone());
    let node = node.build().unwrap();
    until_leased(&node).await;
    eventually("an echo", async || node.stats().lag > Duration::ZERO).await;
    let sessions = |store: Arc<dyn Store>| {
        Sessions::builder_shared(store)
            .cookie(SessionCookie::new("id"))
            .clock(Arc::new(clock.clone()))
            .timeouts(Timeouts::new(IDLE, IDLE * 10).unwrap())
            .observer(Arc::new(SessionMetrics::new(&meter)))
            .build()
            .unwrap()
    };
    let elsewhere = sessions(Arc::clone(&shared));
    let sessions = sessions(Arc::new(Observed::new(node, "layered", &meter)));
    let ada = Subject::new("ada").unwrap();

    let mut visit = Visit { sessions: &sessions, cookie: String::new() };
    let write = |session: &session_core::Session| session.insert("a", &1).unwrap();
    visit.go(write).await;
    visit.go(write).await;
    visit.go(|session| session.log_in(ada.clone())).await;
    clock.advance(IDLE / 2);
    visit.go(|_| {}).await;
    visit.go(session_core::Session::log_out).await;
    Visit { sessions: &sessions, cookie: "id=nonsense".to_owned() }.go(|_| {}).await;
    visit.cookie.clear();
    visit.go(write).await;

    // Two that meet, on nodes that do not know of each other.
    let slow = sessions.open([visit.cookie.as_bytes()]);
    slow.load().await.unwrap().insert("a", &2).unwrap();
    Visit { sessions: &elsewhere, cookie: visit.cookie.clone() }.go(write).await;
    let _ = slow.finish(false).await;
    let slow = sessions.open([visit.cookie.as_bytes()]);
    slow.load().await.unwrap().insert("a", &3).unwrap();
    Visit { sessions: &elsewhere, cookie: visit.cookie.clone() }
        .go(session_core::Session::destroy)
        .await;
    let _ = slow.finish(false).await;

    // Many that nobody asks for any more, and one that is asked for too late: its write frees a few
    // of its shard, perhaps all of it, so that two would not always leave something to purge.
    for _ in 0..20 {
        visit.cookie.clear();
        visit.go(write).await;
    }
    let late = sessions.open([visit.cookie.as_bytes()]);
    late.load().await.unwrap().insert("a", &4).unwrap();
    clock.advance(IDLE * 20);
    let _ = late.finish(false).await;
    assert!(shared.purge_expired(100).await.unwrap() > 0);
    faulty.fail_next(Method::Load, ErrorKind::Timeout);
    let absent = session_testkit::sample::key();
    shared.load(&absent, Load::default()).await.unwrap_err();
    faulty.fail_next(Method::List, ErrorKind::Timeout);
    sessions.list(&ada).await.unwrap_err();
}

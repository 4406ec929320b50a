//! Memory: of a cached session, and of a cache that a million sessions pass through. Resident
//! memory, before and after.
//!
//! A test binary of its own, so that nothing else allocates meanwhile. Figures are printed with
//! `cargo test -p session-layered --test footprint -- --nocapture`.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::{
    Backplane, Clock as _, Created, Error, ErrorKind, Key, Load, Loaded, OsEntropy, Partition,
    Payload, Qualities, Record, Replaced, Revision, SessionHeader, Sessions, Source, Store,
    SubjectIndex, SystemClock, Token, Touch, Touched,
};
use session_layered::Layered;
use session_memory::MemoryStore;

const SESSIONS: usize = 50_000;
const PAYLOAD: usize = 300;
const MIB: usize = 1 << 20;

/// Resident memory, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kibibytes: usize = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    kibibytes * 1_024
}

async fn node(max_bytes: usize) -> Layered {
    let backplane = MemoryStore::new().backplane().unwrap();
    let builder = Layered::builder(Everything(backplane)).max_bytes(max_bytes);
    let node = builder.ttl(Duration::from_secs(3_600)).build().unwrap();
    while node.stats().lease_left.is_zero() {
        tokio::task::yield_now().await;
    }
    node
}

/// How the sessions come into the cache.
#[derive(Clone, Copy, Debug)]
enum Way {
    Read,
    ReadAndDecoded,
    WrittenByThisNode,
}

impl Way {
    async fn go(self, node: &Layered, sessions: &Sessions) {
        let token = Token::random(&OsEntropy).unwrap();
        let key = Key::of(&token, sessions.namespace());
        match self {
            Self::Read => drop(node.load(&key, Load::default()).await.unwrap()),
            Self::ReadAndDecoded => {
                let text = token.to_text();
                let session = sessions.open([text.as_bytes()]).load().await.unwrap();
                assert!(session.get::<u64>("counter").unwrap().is_some());
            }
            Self::WrittenByThisNode => {
                let session = sessions.open([]).load().await.unwrap();
                session.insert("text", &"x".repeat(PAYLOAD - 30)).unwrap();
                session.insert("counter", &1_u64).unwrap();
                session.commit().await.unwrap();
            }
        }
    }
}

/// Resident bytes for each session beyond its payload, and what it is counted as.
async fn measure(way: Way) {
    let node = node(1 << 30).await;
    let header = SessionHeader::named("x-session");
    let sessions = Sessions::builder(node.clone()).header(header).build().unwrap();
    let before = resident();
    for _ in 0..SESSIONS {
        way.go(&node, &sessions).await;
    }
    node.load(&session_testkit::sample::key(), Load::default()).await.unwrap();
    let measured = (resident() - before) / SESSIONS;
    let counted = node.stats().bytes as usize / node.stats().entries as usize;
    println!(
        "{way:?}: {} bytes beyond the payload of {PAYLOAD}, counted as {}",
        measured - PAYLOAD,
        counted - PAYLOAD
    );
    assert!(measured <= counted, "{measured} bytes were counted as {counted}");
    assert!(measured > counted / 2, "an honest estimate: {measured}, {counted}");
    // Kept, so that the next one does not move into memory that this one has paid for.
    std::mem::forget((node, sessions));
}

/// The cap holds whatever passes through.
async fn flood() {
    const MAX: usize = 32 * MIB;
    let node = node(MAX).await;
    let before = resident();
    let mut most = 0;
    for number in 0..1_000_000_usize {
        let key =
            Key::from_parts(Partition::new([0; 2]), std::array::from_fn(|_| fastrand::u8(..)));
        node.load(&key, Load::default()).await.unwrap();
        if number % 50_000 == 0 {
            most = most.max(resident().saturating_sub(before));
        }
    }
    most = most.max(resident().saturating_sub(before));
    println!("a million sessions through {} MiB: {} MiB at most", MAX / MIB, most / MIB);
    assert!(most < MAX + MAX / 4, "{most}");
    assert!(node.stats().bytes as usize <= MAX + MAX / 20);
}

#[tokio::test]
async fn a_cache_takes_no_more_memory_than_it_may() {
    for way in [Way::Read, Way::ReadAndDecoded, Way::WrittenByThisNode] {
        measure(way).await;
    }
    flood().await;
}

/// Has every session there can be, and holds none.
#[derive(Debug)]
struct Everything(Arc<dyn Backplane>);

fn record() -> Record {
    let payload = format!(r#"{{"counter":1,"text":"{}"}}"#, "x".repeat(PAYLOAD - 23));
    Record {
        revision: Revision::new(1),
        payload: Payload::new(payload),
        ..session_testkit::sample::record(SystemClock.now())
    }
}

fn unsupported() -> Error {
    Error::new(ErrorKind::Unsupported, "this test does not do that")
}

#[async_trait]
impl Store for Everything {
    async fn load(&self, _: &Key, _: Load) -> Result<Loaded, Error> {
        Ok(Loaded::Found { record: Arc::new(record()), source: Source::Shared })
    }

    async fn create(&self, _: &Key, _: &Record) -> Result<Created, Error> {
        Ok(Created::Created(Revision::new(1)))
    }

    async fn replace(&self, _: &Key, _: &Record, _: Revision) -> Result<Replaced, Error> {
        Err(unsupported())
    }

    async fn rotate(&self, _: &Key, _: &Key, _: &Record, _: Revision) -> Result<Replaced, Error> {
        Err(unsupported())
    }

    async fn touch(&self, _: &[Touch]) -> Result<Vec<Touched>, Error> {
        Err(unsupported())
    }

    async fn delete(&self, _: &Key) -> Result<bool, Error> {
        Err(unsupported())
    }

    async fn purge_expired(&self, _: usize) -> Result<usize, Error> {
        Ok(0)
    }

    async fn fence(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        None
    }

    fn backplane(&self) -> Option<Arc<dyn Backplane>> {
        Some(Arc::clone(&self.0))
    }

    fn qualities(&self) -> Qualities {
        Qualities::NONE
    }
}

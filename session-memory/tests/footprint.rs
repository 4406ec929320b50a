//! Memory: of an idle session, and of those who open none. Resident memory, before and after.
//!
//! A test binary of its own, so that nothing else allocates meanwhile. Figures are printed with
//! `cargo test -p session-memory --test footprint -- --nocapture`.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use session_core::{
    Key, Load, Loaded, Namespace, OsEntropy, Payload, Record, Replaced, Revision, Store, Subject,
    Timestamp, Token, Touch, Touched,
};
use session_memory::MemoryStore;

const SESSIONS: usize = 100_000;
const PAYLOAD: usize = 300;
const GOAL: usize = 700;

/// Resident memory, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kibibytes: usize = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    kibibytes * 1_024
}

fn record(number: usize, with_subject: bool) -> Record {
    Record {
        revision: Revision::UNSAVED,
        created_at: Timestamp::from_millis(0),
        authenticated_at: with_subject.then_some(Timestamp::from_millis(0)),
        idle_deadline: Timestamp::MAX.minus(std::time::Duration::from_millis(number as u64)),
        absolute_deadline: Timestamp::MAX,
        timeouts: None,
        subject: with_subject.then(|| Subject::new(format!("u{number}")).unwrap()),
        device: None,
        payload: Payload::new(vec![b'x'; PAYLOAD]),
    }
}

fn key() -> Key {
    Key::of(&Token::random(&OsEntropy).unwrap(), &Namespace::parse("footprint").unwrap())
}

/// Resident bytes for each session, and what the store itself makes of it.
async fn measure(what: &str, with_subject: bool, touched: bool) -> usize {
    let before = resident();
    let store = MemoryStore::new();
    for number in 0..SESSIONS {
        let key = key();
        store.create(&key, &record(number, with_subject)).await.unwrap();
        if touched {
            store.touch(&[Touch { key, idle_deadline: Timestamp::MAX }]).await.unwrap();
        }
    }
    let measured = (resident() - before) / SESSIONS;
    let counted = store.bytes() / SESSIONS;
    println!("{what}: {measured} bytes resident, counted as {counted}");
    assert!(measured.abs_diff(counted) < measured / 5, "an honest estimate");
    // Kept, so that the next one does not move into memory that this one has paid for.
    std::mem::forget(store);
    measured
}

/// Keys that nobody created, and creations beyond what there is room for.
async fn flood() {
    let store = MemoryStore::builder().max_sessions(1).build().unwrap();
    store.create(&key(), &record(0, true)).await.unwrap();
    let before = resident();
    for number in 0..SESSIONS {
        let (key, record) = (key(), record(number, true));
        let touch = Touch { key, idle_deadline: Timestamp::MAX };
        assert!(matches!(store.load(&key, Load::default()).await.unwrap(), Loaded::Absent));
        assert_eq!(store.touch(&[touch]).await.unwrap(), [Touched::Gone]);
        let replaced = store.replace(&key, &record, Revision::new(1)).await.unwrap();
        assert!(matches!(replaced, Replaced::Gone));
        assert!(!store.delete(&key).await.unwrap());
        assert!(store.create(&key, &record).await.is_err());
    }
    let grown = resident().saturating_sub(before);
    println!("{SESSIONS} unknown keys: {grown} bytes in all");
    assert!(grown < 1 << 20);
    assert_eq!(store.len(), 1);
}

#[tokio::test]
async fn an_idle_session_takes_700_bytes_at_most_and_a_flood_of_unknown_keys_none() {
    flood().await;
    println!("{SESSIONS} sessions, payload of {PAYLOAD} bytes, each:");
    assert!(measure("anonymous", false, false).await <= GOAL);
    assert!(measure("anonymous and touched", false, true).await <= GOAL);
    assert!(measure("one subject each", true, false).await <= GOAL);
}

//! Memory per idle session: resident memory of the process, before and after.
//!
//! A test binary of its own, so that nothing else allocates meanwhile. Figures are printed with
//! `cargo test -p session-memory --test footprint -- --nocapture`.
#![cfg(target_os = "linux")]

use session_core::{
    Key, Namespace, OsEntropy, Payload, Record, Revision, Store, Subject, Timestamp, Token, Touch,
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
        subject: with_subject.then(|| Subject::new(format!("user-{number}")).unwrap()),
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

#[tokio::test]
async fn an_idle_session_of_300_bytes_takes_700_at_most() {
    println!("{SESSIONS} sessions, payload of {PAYLOAD} bytes, each:");
    assert!(measure("anonymous", false, false).await <= GOAL);
    assert!(measure("anonymous and touched", false, true).await <= GOAL);
    assert!(measure("one subject each", true, false).await <= GOAL);
}

//! The background task.

use std::time::Duration;

use session_core::{Store, Timestamp};
use session_memory::MemoryStore;
use tokio::runtime::{Builder, Handle};

use crate::common::{eventually, key, record, with_clock};

const PAUSE: Duration = Duration::from_secs(10);

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

async fn fill(store: &MemoryStore, sessions: u32) {
    for number in 0..sessions {
        store.create(&key(number), &record(10)).await.unwrap();
    }
}

// Time is paused: it moves on once every task waits, so a sleep waits for all work to be done.
#[tokio::test(start_paused = true)]
async fn it_frees_what_has_expired_and_nothing_else() {
    let (store, clock) = with_clock(|builder| builder.sweep_every(PAUSE));
    assert_eq!(tasks(), 0, "nothing to sweep yet");
    fill(&store, 5_000).await;
    assert_eq!(tasks(), 1);
    tokio::time::sleep(PAUSE * 3).await;
    assert_eq!(store.len(), 5_000);
    clock.advance(1_000);
    assert_eq!(store.len(), 5_000);
    tokio::time::sleep(PAUSE).await;
    assert_eq!((store.len(), store.bytes()), (0, 0));
}

#[tokio::test]
async fn it_ends_with_the_last_handle_and_not_at_its_next_round() {
    let (store, _) = with_clock(|builder| builder.sweep_every(Duration::from_secs(24 * 3_600)));
    fill(&store, 10).await;
    drop(store.clone());
    tokio::task::yield_now().await;
    assert_eq!(tasks(), 1);
    drop(store);
    eventually("the sweeper has ended", || tasks() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn no_sweeper_runs_unless_asked_for() {
    let (store, clock) = with_clock(|builder| builder);
    fill(&store, 10).await;
    clock.advance(1_000);
    tokio::time::sleep(PAUSE * 100).await;
    assert_eq!((tasks(), store.len()), (0, 10));
}

#[tokio::test(start_paused = true)]
async fn it_survives_rounds_that_fail() {
    let (store, clock) = with_clock(|builder| builder.sweep_every(PAUSE));
    fill(&store, 100).await;
    clock.advance(1_000);
    clock.break_down(true);
    tokio::time::sleep(PAUSE * 3).await;
    assert!(clock.panics() >= 2);
    assert_eq!(store.len(), 100);
    clock.break_down(false);
    tokio::time::sleep(PAUSE * 2).await;
    assert_eq!(store.len(), 0);
}

#[test]
fn it_starts_again_in_another_runtime() {
    let runtime =
        || Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    // Made outside of any runtime, as a static is.
    let (store, clock) = with_clock(|builder| builder.sweep_every(PAUSE));
    let first = runtime();
    first.block_on(fill(&store, 10));
    drop(first);
    clock.advance(1_000);
    runtime().block_on(async {
        assert_eq!(store.len(), 10);
        let mut record = record(10);
        record.idle_deadline = Timestamp::from_millis(5_000);
        store.create(&key(100), &record).await.unwrap();
        tokio::time::sleep(PAUSE * 2).await;
        assert_eq!(store.len(), 1);
    });
}

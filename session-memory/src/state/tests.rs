use std::pin::pin;
use std::task::{Context, Wake};

use session_core::{Backplane as _, Lane, NodeId, Partition, Subject};

use super::*;
use crate::shard::tests::record;

/// Shows the time of a test: sessions of [`record`] live until 100 ms.
#[derive(Debug, Default)]
struct At(AtomicUsize);

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst) as i64)
    }
}

fn state() -> (State, Arc<At>) {
    let clock = Arc::new(At::default());
    let capacity = Capacity::new(Used { sessions: 1_000, bytes: 1 << 20 });
    (State::new(capacity, Arc::clone(&clock) as Arc<dyn Clock>), clock)
}

/// Keys of one partition.
fn key(number: u8) -> Key {
    Key::from_parts(Partition::new([1, 2]), [number; Key::DIGEST_BYTES])
}

fn of_subject(id: &str, until: i64) -> Record {
    Record {
        subject: Some(Subject::new(id).unwrap()),
        idle_deadline: Timestamp::from_millis(until),
        ..record(10)
    }
}

fn revision(state: &State, key: &Key) -> Revision {
    state.find(key).unwrap().revision
}

#[test]
fn the_index_holds_as_many_as_the_shards() {
    let (state, clock) = state();
    state.create(&key(1), &of_subject("ann", 100)).unwrap();
    state.create(&key(2), &of_subject("ann", 100)).unwrap();
    assert_eq!(state.subjects.len(), 2);
    state.replace(&key(1), &of_subject("bob", 100), revision(&state, &key(1))).unwrap();
    assert_eq!(state.subjects.len(), 2);
    state.replace(&key(1), &record(10), revision(&state, &key(1))).unwrap();
    assert_eq!(state.subjects.len(), 1);
    let first = revision(&state, &key(2));
    state.rotate(&key(2), &key(3), &of_subject("ann", 100), first).unwrap();
    assert_eq!(state.subjects.len(), 1);
    state.create(&key(4), &of_subject("ann", 100)).unwrap();
    assert!(state.delete(&key(4)));
    assert_eq!(state.subjects.len(), 1);
    clock.0.store(100, Ordering::SeqCst);
    assert_eq!(state.purge(9).freed, 2);
    assert_eq!((state.subjects.len(), state.used()), (0, Used::default()));
}

#[test]
fn an_expired_session_leaves_nothing_behind_where_a_new_one_takes_its_key() {
    let (state, clock) = state();
    // More than a write frees on the way, and those whose keys are taken expire last.
    for number in 0..20 {
        state.create(&key(number), &of_subject("ann", 50 + i64::from(number))).unwrap();
    }
    state.create(&key(20), &of_subject("bob", 500)).unwrap();
    clock.0.store(90, Ordering::SeqCst);
    state.create(&key(19), &of_subject("bob", 500)).unwrap();
    state.rotate(&key(20), &key(18), &of_subject("bob", 500), revision(&state, &key(20))).unwrap();
    state.purge(99);
    assert_eq!((state.subjects.len(), state.used().sessions), (2, 2));
    assert_eq!(state.used().bytes, 2 * weigh(&of_subject("bob", 500)));
}

/// Is woken by an announcement, and looks whether the write is still under its lock.
struct Witness {
    state: Arc<State>,
    unlocked: AtomicUsize,
    locked: AtomicUsize,
}

impl Wake for Witness {
    fn wake(self: Arc<Self>) {
        let partition = u16::from_be_bytes(*key(1).partition().as_bytes());
        let shard = &self.state.shards[usize::from(partition) % State::SHARDS].0;
        let seen = if shard.try_lock().is_err() { &self.locked } else { &self.unlocked };
        seen.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn announcements_are_made_under_the_lock_that_orders_the_writes() {
    let state = Arc::new(state().0);
    let mut subscription = state.backplane().subscribe(Lane(0), NodeId(1)).await.unwrap();
    let [unlocked, locked] = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let witness = Arc::new(Witness { state: Arc::clone(&state), unlocked, locked });
    let writes: [fn(&State); 4] = [
        |state| assert!(state.create(&key(1), &record(1)).is_ok()),
        |state| assert!(state.replace(&key(1), &record(2), revision(state, &key(1))).is_ok()),
        |state| {
            let expected = revision(state, &key(1));
            assert!(state.rotate(&key(1), &key(2), &record(3), expected).is_ok());
        },
        |state| assert!(state.delete(&key(2))),
    ];
    for (number, write) in (1..).zip(writes) {
        let waker = Arc::clone(&witness).into();
        {
            let mut next = pin!(subscription.next());
            assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            write(&state);
        }
        assert_eq!(witness.locked.load(Ordering::SeqCst), number);
        // A rotation announces two changes; the second finds nobody waiting.
        let events = if number == 3 { 2 } else { 1 };
        for _ in 0..events {
            subscription.next().await.unwrap();
        }
    }
    assert_eq!(witness.unlocked.load(Ordering::SeqCst), 0);
}

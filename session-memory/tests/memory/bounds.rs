//! Room: never more than given, never at the cost of a live session.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use session_core::{
    Created, ErrorKind, Key, Partition, Replaced, Revision, Store, Timestamp, Touch,
};
use session_memory::MemoryStore;
use tokio::task::JoinSet;

use crate::common::{key, load, of_subject, record, revision, successor, with_clock};

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn exactly_max_sessions_of_64_racing_creators_succeed() {
    const MAX: usize = 1_000;
    let (store, _) = with_clock(|builder| builder.max_sessions(MAX));
    let most_seen = Arc::new(AtomicUsize::new(0));
    let mut creators = JoinSet::new();
    for creator in 0..64 {
        let (store, most_seen) = (store.clone(), Arc::clone(&most_seen));
        creators.spawn(async move {
            let mut created = Vec::new();
            for number in creator * 100..(creator + 1) * 100 {
                match store.create(&key(number), &of_subject(300, number % 8)).await {
                    Ok(Created::Created(_)) => created.push(number),
                    Ok(Created::Duplicate) => panic!("nobody else creates {number}"),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Full, "{error}"),
                }
                most_seen.fetch_max(store.len(), Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
            created
        });
    }
    let created: Vec<u32> = creators.join_all().await.into_iter().flatten().collect();
    assert_eq!(created.len(), MAX);
    assert_eq!(store.len(), MAX);
    assert_eq!(most_seen.load(Ordering::Relaxed), MAX, "never beyond, not even for a moment");
    for number in created {
        assert!(load(&store, &key(number)).await.is_some(), "a live session was evicted");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn bytes_never_exceed_their_bound_and_return_to_zero() {
    const MAX: usize = 200_000;
    const KEYS: u32 = 40;
    let (store, _) = with_clock(|builder| builder.max_bytes(MAX));
    let mut writers = JoinSet::new();
    for writer in 0..64_u32 {
        let store = store.clone();
        writers.spawn(async move {
            let mut rotated = Vec::new();
            for step in 0..200_u32 {
                // Few enough keys for the writers to be in each other's way.
                let number = writer.wrapping_mul(31).wrapping_add(step * 17) % KEYS;
                let record = of_subject((step * 97 % 20_000) as usize, step % 8);
                let expected = load(&store, &key(number)).await.map(|record| record.revision);
                let expected = expected.unwrap_or_default();
                let written = match step % 5 {
                    0 | 1 => store.create(&key(number), &record).await.map(drop),
                    2 => store.replace(&key(number), &record, expected).await.map(drop),
                    3 => {
                        let to = successor(number, writer * 1_000 + step);
                        rotated.push(to);
                        store.rotate(&key(number), &to, &record, expected).await.map(drop)
                    }
                    _ => store.delete(&key(number)).await.map(drop),
                };
                if let Err(error) = written {
                    assert_eq!(error.kind(), ErrorKind::Full);
                }
                assert!(store.bytes() <= MAX);
                tokio::task::yield_now().await;
            }
            rotated
        });
    }
    let rotated = writers.join_all().await.into_iter().flatten();
    for key in rotated.chain((0..KEYS).map(key)) {
        store.delete(&key).await.unwrap();
    }
    assert_eq!((store.len(), store.bytes()), (0, 0));
}

#[tokio::test]
async fn expired_sessions_make_way_and_live_ones_do_not() {
    let (store, clock) = with_clock(|builder| builder.max_sessions(100));
    for number in 0..100 {
        store.create(&key(number), &record(10)).await.unwrap();
    }
    let error = store.create(&key(100), &record(10)).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Full, Some("create")));
    assert!(error.is_retryable());

    let to = Timestamp::from_millis(5_000);
    let kept: Vec<Touch> =
        (0..50).map(|number| Touch { key: key(number), idle_deadline: to }).collect();
    store.touch(&kept).await.unwrap();
    clock.advance(1_000);
    let fresh = || {
        let mut record = record(10);
        record.idle_deadline = Timestamp::from_millis(5_000);
        record
    };
    for number in 100..150 {
        store.create(&key(number), &fresh()).await.unwrap();
    }
    let error = store.create(&key(150), &fresh()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    for number in (0..50).chain(100..150) {
        assert!(load(&store, &key(number)).await.is_some());
    }
}

#[tokio::test]
async fn many_small_expired_sessions_make_way_for_a_large_one() {
    let (store, clock) = with_clock(|builder| builder.max_bytes(400_000));
    let mut held = 0;
    while store.create(&key(held), &record(10)).await.is_ok() {
        held += 1;
    }
    clock.advance(1_000);
    let mut large = record(200_000);
    large.idle_deadline = Timestamp::from_millis(5_000);
    store.create(&key(held), &large).await.unwrap();
    assert!(store.len() < held as usize);
}

#[tokio::test]
async fn a_write_that_would_grow_beyond_the_bound_leaves_the_session_as_it_was() {
    let (store, _) = with_clock(|builder| builder.max_bytes(10_000));
    let first = revision(store.create(&key(1), &of_subject(100, 1)).await);
    let weight = store.bytes();

    let large = of_subject(10_000, 2);
    let error = store.replace(&key(1), &large, first).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Full, Some("replace")));
    let to = successor(1, 1);
    let error = store.rotate(&key(1), &to, &large, first).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Full, Some("rotate")));

    let stored = load(&store, &key(1)).await.unwrap();
    assert_eq!((stored.revision, stored.payload.as_bytes().len()), (first, 100));
    assert!(load(&store, &to).await.is_none());
    assert_eq!(store.bytes(), weight);
    let index = store.subjects().unwrap();
    assert!(index.list(&large.subject.unwrap(), None, 9).await.unwrap().sessions.is_empty());
}

#[tokio::test]
async fn a_full_store_still_shrinks_replaces_rotates_and_touches() {
    let (store, _) = with_clock(|builder| builder.max_sessions(1));
    let first = revision(store.create(&key(1), &record(300)).await);
    let Replaced::Replaced(second) = store.replace(&key(1), &record(10), first).await.unwrap()
    else {
        panic!("nobody else is here");
    };
    let rotated = store.rotate(&key(1), &successor(1, 1), &record(300), second).await.unwrap();
    assert!(matches!(rotated, Replaced::Replaced(third) if third > second));
    assert_eq!(store.len(), 1);
}

#[tokio::test]
async fn a_rotation_refuses_keys_that_no_successor_can_have() {
    let (store, _) = with_clock(|builder| builder);
    let first = revision(store.create(&key(1), &record(1)).await);
    store.create(&successor(1, 1), &record(2)).await.unwrap();
    let elsewhere = Key::from_parts(Partition::new([9, 9]), *key(2).digest());
    for taken in [successor(1, 1), key(1), elsewhere] {
        let error = store.rotate(&key(1), &taken, &record(3), first).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
    }
    assert_eq!(load(&store, &key(1)).await.unwrap().revision, first);
    assert_eq!(load(&store, &successor(1, 1)).await.unwrap().payload.as_bytes().len(), 2);
}

#[tokio::test]
async fn a_key_that_comes_back_has_a_revision_it_never_had() {
    let (store, _) = with_clock(|builder| builder);
    let before = revision(store.create(&key(1), &record(1)).await);
    store.delete(&key(1)).await.unwrap();
    let after = revision(store.create(&key(1), &record(1)).await);
    assert!(Revision::UNSAVED < before && before < after);
    let late = store.replace(&key(1), &record(2), before).await.unwrap();
    assert!(matches!(late, Replaced::Conflict(current) if current.revision == after));
}

#[tokio::test]
async fn clones_share_their_sessions_and_debug_tells_counts_only() {
    let store = MemoryStore::new();
    let mut record = of_subject(300, 1);
    record.idle_deadline = Timestamp::MAX;
    record.absolute_deadline = Timestamp::MAX;
    store.clone().create(&key(1), &record).await.unwrap();
    assert_eq!(store.len(), 1);
    let shown = format!("{store:?}");
    assert_eq!(shown, format!("MemoryStore {{ sessions: 1, bytes: {} }}", store.bytes()));
}

#[tokio::test]
async fn a_payload_does_not_keep_the_buffer_it_was_part_of() {
    let (store, _) = with_clock(|builder| builder);
    let mut small = record(1 << 20);
    let large = small.payload.as_bytes().clone();
    small.payload = session_core::Payload::new(large.slice(..300));
    store.create(&key(1), &small).await.unwrap();
    drop(small);
    assert!(large.is_unique());
}

#[tokio::test]
async fn a_panic_under_a_lock_changes_nothing_and_blocks_nobody() {
    let (store, clock) = with_clock(|builder| builder);
    let first = revision(store.create(&key(1), &of_subject(300, 1)).await);
    let weight = store.bytes();
    clock.break_down(true);
    for step in 0..3 {
        let store = store.clone();
        let panicking = tokio::spawn(async move {
            let record = of_subject(10, 2);
            match step {
                0 => store.delete(&key(1)).await.map(drop),
                1 => store.replace(&key(1), &record, first).await.map(drop),
                _ => store.rotate(&key(1), &successor(1, 1), &record, first).await.map(drop),
            }
        });
        assert!(panicking.await.unwrap_err().is_panic());
    }
    clock.break_down(false);
    assert_eq!(load(&store, &key(1)).await.unwrap().revision, first);
    assert_eq!((store.len(), store.bytes()), (1, weight));
    assert!(store.delete(&key(1)).await.unwrap());
    assert_eq!((store.len(), store.bytes()), (0, 0));
}

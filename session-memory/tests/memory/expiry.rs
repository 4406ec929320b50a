//! What has expired is absent at once, and freed bit by bit.

use session_core::{Replaced, Revision, Store, Timestamp, Touch, Touched};

use crate::common::{key, load, record, successor, with_clock};

#[tokio::test]
async fn a_purge_frees_as_many_as_it_was_told() {
    let (store, clock) = with_clock(|builder| builder);
    for number in 0..1_000 {
        store.create(&key(number), &record(10)).await.unwrap();
    }
    assert_eq!(store.purge_expired(10).await.unwrap(), 0);
    clock.advance(1_000);
    assert_eq!(store.purge_expired(0).await.unwrap(), 0);
    for round in 1..=100 {
        assert_eq!(store.purge_expired(10).await.unwrap(), 10);
        assert_eq!(store.len(), 1_000 - 10 * round);
    }
    assert_eq!(store.purge_expired(10).await.unwrap(), 0);
    assert_eq!(store.bytes(), 0);
}

#[tokio::test]
async fn a_purge_finds_what_lies_in_a_single_shard() {
    let (store, clock) = with_clock(|builder| builder);
    for generation in 0..1_000 {
        store.create(&successor(1, generation), &record(10)).await.unwrap();
    }
    clock.advance(1_000);
    assert_eq!(store.purge_expired(600).await.unwrap(), 600);
    assert_eq!(store.purge_expired(usize::MAX).await.unwrap(), 400);
}

#[tokio::test]
async fn purges_spread_over_the_shards() {
    let (store, clock) = with_clock(|builder| builder);
    for number in 0..64 {
        for generation in 0..10 {
            store.create(&successor(number, generation), &record(10)).await.unwrap();
        }
    }
    clock.advance(1_000);
    for _ in 0..32 {
        assert_eq!(store.purge_expired(10).await.unwrap(), 10);
    }
    // A write to each shard: it frees up to two, so each shard must have some left.
    for number in 0..64 {
        let before = store.len();
        store.delete(&key(number)).await.unwrap();
        assert!(store.len() < before, "all of shard {number} was freed before its neighbours'");
    }
}

#[tokio::test]
async fn a_purge_leaves_touched_sessions_alone_and_looks_at_each_once() {
    let (store, clock) = with_clock(|builder| builder);
    let touches: Vec<Touch> = (0..10_000)
        .map(|number| Touch { key: key(number), idle_deadline: Timestamp::from_millis(5_000) })
        .collect();
    for touch in &touches {
        store.create(&touch.key, &record(10)).await.unwrap();
    }
    assert!(store.touch(&touches).await.unwrap().iter().all(|touched| *touched == Touched::Done));
    clock.advance(1_000);
    for _ in 0..20 {
        assert_eq!(store.purge_expired(10).await.unwrap(), 0);
    }
    assert_eq!(store.len(), 10_000);
    clock.advance(4_000);
    assert_eq!(store.purge_expired(10_000).await.unwrap(), 10_000);
}

#[tokio::test]
async fn writes_free_some_on_the_way() {
    let (store, clock) = with_clock(|builder| builder);
    for generation in 0..1_000 {
        store.create(&successor(1, generation), &record(10)).await.unwrap();
    }
    clock.advance(1_000);
    for round in 1..=400 {
        store.delete(&key(1)).await.unwrap();
        assert_eq!(store.len(), 1_000 - 2 * round, "a few with each write, not all at once");
    }
}

#[tokio::test]
async fn what_expires_while_others_are_created_does_not_pile_up() {
    let (store, clock) = with_clock(|builder| builder);
    for number in 0..50_000 {
        let mut record = record(10);
        let now = i64::from(number) * 10;
        record.idle_deadline = Timestamp::from_millis(now + 1_000);
        record.absolute_deadline = Timestamp::from_millis(now + 2_000);
        store.create(&key(number), &record).await.unwrap();
        clock.advance(10);
        // 100 are alive; each of 256 shards may hold the last few that nobody came by to free.
        assert!(store.len() <= 100 + 256 * 2, "{}", store.len());
    }
}

#[tokio::test]
async fn expired_is_absent_for_every_method_before_anything_is_freed() {
    let (store, clock) = with_clock(|builder| builder);
    for number in 0..4 {
        store.create(&key(number), &record(10)).await.unwrap();
    }
    clock.advance(999);
    assert!(load(&store, &key(0)).await.is_some());
    clock.advance(1);
    assert!(load(&store, &key(0)).await.is_none());
    let touch = Touch { key: key(1), idle_deadline: Timestamp::from_millis(9_000) };
    assert_eq!(store.touch(&[touch]).await.unwrap(), [Touched::Gone]);
    assert_eq!(store.len(), 4);
    let any = Revision::new(1);
    assert!(matches!(store.replace(&key(1), &record(10), any).await.unwrap(), Replaced::Gone));
    let to = successor(2, 1);
    assert!(matches!(store.rotate(&key(2), &to, &record(10), any).await.unwrap(), Replaced::Gone));
    assert!(!store.delete(&key(3)).await.unwrap());
}

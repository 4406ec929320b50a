//! The backplane: every write, in order, without gaps, or an end.

use std::collections::HashMap;

use session_core::{
    Change, ErrorKind, Event, Key, Lane, NodeId, Replaced, Store, Subscription, Timestamp, Touch,
};
use session_memory::MemoryStore;

use crate::common::{key, load, record, revision, successor, with_clock};

const NODE: NodeId = NodeId(1);

async fn subscribe(store: &MemoryStore, node: NodeId) -> Box<dyn Subscription> {
    store.backplane().unwrap().subscribe(Lane(0), node).await.unwrap()
}

/// Everything up to the echo of that number, which is sent now.
async fn heard(
    store: &MemoryStore,
    subscription: &mut dyn Subscription,
    number: u64,
) -> Vec<(Key, Change)> {
    store.backplane().unwrap().echo(Lane(0), NODE, number, 0).await.unwrap();
    let mut changes = Vec::new();
    loop {
        match subscription.next().await.unwrap() {
            Event::Changed(key, change) => changes.push((key, change)),
            Event::Echo(back) => {
                assert_eq!(back, number);
                return changes;
            }
            Event::Nudge | Event::Unintelligible => panic!("nobody else can write to the channel"),
        }
    }
}

#[tokio::test]
async fn each_write_is_announced_once_and_touches_and_refusals_are_not() {
    let (store, clock) = with_clock(|builder| builder);
    let mut subscription = subscribe(&store, NODE).await;

    let first = revision(store.create(&key(1), &record(1)).await);
    store.create(&key(1), &record(1)).await.unwrap();
    let replaced = store.replace(&key(1), &record(2), first).await.unwrap();
    let Replaced::Replaced(second) = replaced else { panic!("{replaced:?}") };
    store.replace(&key(1), &record(2), first).await.unwrap();
    let touch = Touch { key: key(1), idle_deadline: Timestamp::from_millis(5_000) };
    store.touch(&[touch]).await.unwrap();
    let to = successor(1, 1);
    let rotated = store.rotate(&key(1), &to, &record(3), second).await.unwrap();
    let Replaced::Replaced(third) = rotated else { panic!("{rotated:?}") };
    store.replace(&key(1), &record(2), third).await.unwrap();
    store.delete(&to).await.unwrap();
    store.delete(&to).await.unwrap();
    store.create(&key(2), &record(1)).await.unwrap();
    let last = load(&store, &key(2)).await.unwrap().revision;
    clock.advance(1_000);
    assert_eq!(store.purge_expired(9).await.unwrap(), 1);

    assert_eq!(
        heard(&store, &mut *subscription, 7).await,
        [
            (key(1), Change::Revision(first)),
            (key(1), Change::Revision(second)),
            (key(1), Change::Removed),
            (to, Change::Revision(third)),
            (to, Change::Removed),
            (to, Change::Removed),
            (key(2), Change::Revision(last)),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn an_echo_comes_behind_every_change_acknowledged_before_it() {
    let (store, _) = with_clock(|builder| builder);
    let mut subscription = subscribe(&store, NODE).await;
    for round in 0..50 {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8_u32 {
            let store = store.clone();
            writers.spawn(async move {
                // All of them on the same keys, so that their writes interleave.
                for number in 0..4 {
                    store.create(&key(number), &record(1)).await.unwrap();
                    if let Some(current) = load(&store, &key(number)).await {
                        let bytes = writer as usize;
                        store
                            .replace(&key(number), &record(bytes), current.revision)
                            .await
                            .unwrap();
                    }
                }
            });
        }
        writers.join_all().await;
        let mut last: HashMap<Key, u64> = HashMap::new();
        for (key, change) in heard(&store, &mut *subscription, round).await {
            let Change::Revision(revision) = change else { panic!("nothing was removed") };
            let before = last.insert(key, revision.get()).unwrap_or_default();
            assert!(revision.get() > before, "announced in the order of execution");
        }
        for (key, revision) in last {
            assert_eq!(load(&store, &key).await.unwrap().revision.get(), revision);
        }
    }
}

#[tokio::test]
async fn an_echo_reaches_its_own_node_only() {
    let (store, _) = with_clock(|builder| builder);
    let mut mine = subscribe(&store, NODE).await;
    let mut other = subscribe(&store, NodeId(2)).await;
    let backplane = store.backplane().unwrap();
    assert_eq!(backplane.lanes().await.unwrap(), [Lane(0)]);
    assert_eq!(backplane.lane_of(&key(1)), Some(Lane(0)));
    let other_echo = backplane.echo(Lane(0), NodeId(2), 5, 0).await.unwrap();
    let my_echo = backplane.echo(Lane(0), NODE, 6, 0).await.unwrap();
    assert_eq!(my_echo.epoch, other_echo.epoch);
    assert!(my_echo.order > other_echo.order);
    assert_eq!(mine.next().await.unwrap(), Event::Echo(6));
    assert_eq!(other.next().await.unwrap(), Event::Echo(5));
}

#[tokio::test]
async fn a_subscription_that_falls_behind_ends_and_stays_ended() {
    let (store, _) = with_clock(|builder| builder);
    let mut slow = subscribe(&store, NODE).await;
    let mut fast = subscribe(&store, NODE).await;
    for number in 0..10_000 {
        store.delete(&key(number)).await.unwrap();
        assert_eq!(fast.next().await.unwrap(), Event::Changed(key(number), Change::Removed));
    }
    for _ in 0..3 {
        let error = slow.next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    let mut again = subscribe(&store, NODE).await;
    assert_eq!(heard(&store, &mut *again, 1).await, []);
}

#[tokio::test]
async fn a_subscription_ends_with_the_store() {
    let (store, _) = with_clock(|builder| builder);
    let mut subscription = subscribe(&store, NODE).await;
    store.delete(&key(1)).await.unwrap();
    drop(store);
    assert_eq!(subscription.next().await.unwrap(), Event::Changed(key(1), Change::Removed));
    assert_eq!(subscription.next().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_next_that_is_cancelled_loses_nothing() {
    let (store, _) = with_clock(|builder| builder);
    let mut subscription = subscribe(&store, NODE).await;
    for number in 0..20 {
        tokio::select! {
            biased;
            event = subscription.next() => panic!("nothing has happened: {event:?}"),
            () = tokio::task::yield_now() => {}
        }
        store.delete(&key(number)).await.unwrap();
        assert_eq!(
            subscription.next().await.unwrap(),
            Event::Changed(key(number), Change::Removed)
        );
    }
}

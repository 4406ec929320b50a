//! Sessions by subject.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use session_core::{ErrorKind, Key, Replaced, Store};
use session_memory::MemoryStore;

use crate::common::{key, load, of_subject, record, revision, subject, successor, with_clock};

async fn walk(store: &MemoryStore, number: u32, limit: usize) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut after = None;
    loop {
        let index = store.subjects().unwrap();
        let page = index.list(&subject(number), after.as_ref(), limit).await.unwrap();
        assert!(page.sessions.len() <= limit);
        keys.extend(page.sessions.into_iter().map(|(key, _)| key));
        after = page.next;
        if after.is_none() {
            return keys;
        }
    }
}

#[tokio::test]
async fn pages_are_filled_in_key_order_and_end_when_there_is_no_more() {
    let (store, _) = with_clock(|builder| builder);
    let mut keys: Vec<Key> = (0..30).map(|number| key(number * 2_111)).collect();
    for key in &keys {
        store.create(key, &of_subject(10, 1)).await.unwrap();
    }
    store.create(&key(1), &of_subject(10, 2)).await.unwrap();
    store.create(&key(2), &record(10)).await.unwrap();
    keys.sort();
    for limit in [1, 2, 7, 29, 30, 31, usize::MAX] {
        assert_eq!(walk(&store, 1, limit).await, keys, "pages of {limit}");
    }
    let index = store.subjects().unwrap();
    let whole = index.list(&subject(1), None, 30).await.unwrap();
    assert_eq!((whole.sessions.len(), whole.next), (30, None));
    let error = index.list(&subject(1), None, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
}

#[tokio::test]
async fn the_dead_are_skipped_and_do_not_shorten_a_page() {
    let (store, clock) = with_clock(|builder| builder);
    for generation in 0..20 {
        let mut record = of_subject(10, 1);
        if generation % 2 == 0 {
            record.idle_deadline = record.absolute_deadline;
        }
        store.create(&successor(1, generation), &record).await.unwrap();
    }
    clock.advance(1_000);
    let page = store.subjects().unwrap().list(&subject(1), None, 9).await.unwrap();
    let listed: Vec<Key> = page.sessions.iter().map(|(key, _)| *key).collect();
    assert_eq!(listed, (0..9).map(|at| successor(1, at * 2)).collect::<Vec<_>>());
    assert_eq!(page.next, Some(successor(1, 16)));
    assert_eq!(store.len(), 20, "listing frees nothing");
}

#[tokio::test]
async fn the_index_follows_replaces_and_rotations() {
    let (store, _) = with_clock(|builder| builder);
    let first = revision(store.create(&key(1), &record(10)).await);
    assert_eq!(walk(&store, 1, 9).await, []);
    let Replaced::Replaced(second) =
        store.replace(&key(1), &of_subject(10, 1), first).await.unwrap()
    else {
        panic!("nobody else is here");
    };
    assert_eq!(walk(&store, 1, 9).await, [key(1)]);
    let to = successor(1, 1);
    store.rotate(&key(1), &to, &of_subject(10, 2), second).await.unwrap();
    assert_eq!(walk(&store, 1, 9).await, []);
    assert_eq!(walk(&store, 2, 9).await, [to]);
    store.delete(&to).await.unwrap();
    assert_eq!(walk(&store, 2, 9).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_that_stays_is_listed_exactly_once_whatever_others_do() {
    let (store, _) = with_clock(|builder| builder);
    for number in 0..40 {
        store.create(&key(number), &of_subject(10, 1)).await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut others = tokio::task::JoinSet::new();
    for other in 0..4_u32 {
        let (store, stop) = (store.clone(), Arc::clone(&stop));
        others.spawn(async move {
            let mut generation = 1;
            while !stop.load(Ordering::Relaxed) {
                let from = successor(other, generation);
                generation += 2;
                let to = successor(other, generation + 1);
                let first = revision(store.create(&from, &of_subject(10, 1)).await);
                let rotated = store.rotate(&from, &to, &of_subject(10, 1), first).await.unwrap();
                let Replaced::Replaced(second) = rotated else { panic!("{rotated:?}") };
                assert!(walk(&store, 1, 99).await.contains(&to), "acknowledged, and not listed");
                // The one that stays is written as well, by the same subject.
                let stays = load(&store, &key(other)).await.unwrap().revision;
                store.replace(&key(other), &of_subject(20, 1), stays).await.unwrap();
                store.replace(&to, &of_subject(10, 2), second).await.unwrap();
                store.delete(&to).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    for _ in 0..100 {
        let mut seen: HashMap<Key, u32> = HashMap::new();
        for key in walk(&store, 1, 7).await {
            *seen.entry(key).or_default() += 1;
        }
        for number in 0..40 {
            assert_eq!(seen.get(&key(number)), Some(&1), "session {number}");
        }
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::Relaxed);
    others.join_all().await;
    assert_eq!(store.len(), 40);
}

//! Changes made elsewhere, and reads that race them.

use std::sync::Arc;

use session_core::{Source, Store};
use session_memory::MemoryStore;
use session_testkit::{FaultyStore, sample};

use crate::fixture::{create, eventually, held_load, node, read, read_strong, record, replaced};

#[tokio::test]
async fn a_change_elsewhere_is_seen_at_once_and_cached_again() {
    let shared = MemoryStore::new();
    let node = node(Arc::new(shared.clone())).await;
    let key = sample::key();
    let first = create(&shared, &key, &record()).await;
    assert_eq!(read(&node, &key).await, Some((first, Source::Shared)));
    assert_eq!(read(&node, &key).await, Some((first, Source::Local)));

    let second = replaced(shared.replace(&key, &record(), first).await);
    eventually("the new revision", async || {
        let (revision, source) = read(&node, &key).await.unwrap();
        assert!(revision == second || source == Source::Local, "the shared store is never behind");
        revision == second
    })
    .await;
    assert_eq!(read(&node, &key).await, Some((second, Source::Local)));

    shared.delete(&key).await.unwrap();
    eventually("the end", async || read(&node, &key).await.is_none()).await;
}

#[tokio::test]
async fn two_nodes_tell_each_other() {
    let shared = MemoryStore::new();
    let [one, other] = [node(Arc::new(shared.clone())).await, node(Arc::new(shared.clone())).await];
    for _ in 0..100 {
        let from = sample::key();
        let to = sample::key_beside(&from);
        let first = create(&one, &from, &record()).await;
        assert_eq!(read(&one, &from).await, Some((first, Source::Local)), "it wrote it itself");
        read(&other, &from).await.unwrap();
        let rotated = replaced(one.rotate(&from, &to, &record(), first).await);
        assert_eq!(read(&one, &from).await, None, "at once where it was rotated");
        assert_eq!(read(&one, &to).await, Some((rotated, Source::Local)));
        eventually("the rotation", async || read(&other, &from).await.is_none()).await;
        assert_eq!(read(&other, &to).await.unwrap().0, rotated);
        other.delete(&to).await.unwrap();
        eventually("the log-out", async || read(&one, &to).await.is_none()).await;
    }
}

/// F5: the announcement overtakes the reply of a load that was sent before.
#[tokio::test]
async fn what_was_read_before_a_log_out_is_not_cached_after_it() {
    let shared = MemoryStore::new();
    let faulty = Arc::new(FaultyStore::new(Arc::new(shared.clone())));
    let node = node(Arc::clone(&faulty) as Arc<dyn Store>).await;
    let key = sample::key();
    let first = create(&shared, &key, &record()).await;
    let (gate, slow) = held_load(&faulty, &node, key).await;
    let before = node.stats();
    shared.delete(&key).await.unwrap();
    eventually("the announcement", async || node.stats().unneeded > before.unneeded).await;
    gate.open();
    assert_eq!(slow.await.unwrap(), Some((first, Source::Shared)), "it was asked before the end");
    assert_eq!(node.stats().fill_refused, before.fill_refused + 1);
    assert_eq!(read(&node, &key).await, None);
}

#[tokio::test]
async fn a_strong_read_asks_and_gets_what_is_new_alone() {
    let shared = MemoryStore::new();
    let faulty = Arc::new(FaultyStore::new(Arc::new(shared.clone())));
    let node = node(Arc::clone(&faulty) as Arc<dyn Store>).await;
    let key = sample::key();
    let first = create(&node, &key, &record()).await;
    assert_eq!(read_strong(&node, &key).await, Some((first, Source::Shared)));
    let second = replaced(shared.replace(&key, &record(), first).await);
    assert_eq!(read_strong(&node, &key).await, Some((second, Source::Shared)));
    assert_eq!(read(&node, &key).await, Some((second, Source::Local)), "and it is kept");
    shared.delete(&key).await.unwrap();
    assert_eq!(read_strong(&node, &key).await, None);
    assert_eq!(node.stats().bypassed.strong, 3);
}

/// A store that forgets an acknowledged removal, as one that replicates asynchronously may at a
/// failover.
#[tokio::test]
async fn a_removed_session_that_comes_back_is_refused_and_removed_again() {
    let shared = MemoryStore::new();
    let node = node(Arc::new(shared.clone())).await;
    let (key, record) = (sample::key(), record());
    create(&shared, &key, &record).await;
    read(&node, &key).await.unwrap();
    shared.delete(&key).await.unwrap();
    eventually("the log-out", async || read(&node, &key).await.is_none()).await;

    // It listens anew, since it was overrun, and has missed what happened meanwhile.
    let before = node.stats();
    for _ in 0..10_000 {
        shared.delete(&sample::key()).await.unwrap();
    }
    eventually("another subscription", async || node.stats().subscriptions > before.subscriptions)
        .await;
    create(&shared, &key, &record).await;
    assert_eq!(read(&node, &key).await, None);
    assert_eq!(read(&shared, &key).await, None, "it is removed again");
    assert_eq!(node.stats().risen, 1);
}

/// As long as nothing was missed, a key that is used again is somebody's new session.
#[tokio::test]
async fn a_key_that_is_used_again_is_not_refused() {
    let shared = MemoryStore::new();
    let node = node(Arc::new(shared.clone())).await;
    let (key, record) = (sample::key(), record());
    create(&node, &key, &record).await;
    node.delete(&key).await.unwrap();
    let again = create(&shared, &key, &record).await;
    assert_eq!(read(&node, &key).await, Some((again, Source::Shared)));
    assert_eq!(node.stats().risen, 0);
}

//! Writes of this node: what it serves after them, and what it does not keep.

use std::sync::Arc;

use session_core::{ErrorKind, Replaced, Source, Store};
use session_layered::Layered;
use session_memory::MemoryStore;
use session_testkit::{FaultyStore, Method, sample};

use crate::fixture::{create, eventually, held_replace, node, read, record, replaced};

async fn faulty() -> (MemoryStore, Arc<FaultyStore>, Layered) {
    let shared = MemoryStore::new();
    let faulty = Arc::new(FaultyStore::new(Arc::new(shared.clone())));
    let node = node(Arc::clone(&faulty) as Arc<dyn Store>).await;
    (shared, faulty, node)
}

#[tokio::test]
async fn what_a_node_writes_it_serves() {
    let (_, _, node) = faulty().await;
    let key = sample::key();
    let mut revision = create(&node, &key, &record()).await;
    for _ in 0..100 {
        assert_eq!(read(&node, &key).await, Some((revision, Source::Local)));
        revision = replaced(node.replace(&key, &record(), revision).await);
    }
    assert!(node.delete(&key).await.unwrap());
    assert_eq!(read(&node, &key).await, None);
}

/// The reply of a write is late, and somebody else's later write has been heard of meanwhile.
#[tokio::test]
async fn a_write_that_was_overtaken_is_not_kept() {
    let (shared, faulty, node) = faulty().await;
    let key = sample::key();
    let first = create(&shared, &key, &record()).await;
    let (gate, slow) = held_replace(&faulty, &node, key, first).await;
    let third = replaced(shared.replace(&key, &record(), first.next()).await);
    eventually("all three announcements", async || node.stats().unneeded == 3).await;
    gate.open();
    assert!(slow.await.unwrap() < third);
    assert_eq!(read(&node, &key).await, Some((third, Source::Shared)));
}

#[tokio::test]
async fn after_a_rotation_that_failed_nothing_of_before_is_served() {
    let (_, faulty, node) = faulty().await;
    let key = sample::key();
    let successor = sample::key_beside(&key);
    let revision = create(&node, &key, &record()).await;
    faulty.fail_next(Method::Rotate, ErrorKind::Timeout);
    node.rotate(&key, &successor, &record(), revision).await.unwrap_err();
    assert_eq!(read(&node, &key).await, Some((revision, Source::Shared)));
}

/// Two writes of one node, acknowledged in the other order.
#[tokio::test]
async fn of_two_own_writes_the_later_one_stays() {
    let (shared, faulty, node) = faulty().await;
    let key = sample::key();
    let first = create(&shared, &key, &record()).await;
    let (gate, slow) = held_replace(&faulty, &node, key, first).await;
    let third = replaced(node.replace(&key, &record(), first.next()).await);
    assert_eq!(read(&node, &key).await, Some((third, Source::Local)));
    gate.open();
    slow.await.unwrap();
    assert_eq!(read(&node, &key).await.unwrap().0, third);
}

#[tokio::test]
async fn a_log_out_that_overtakes_a_write_wins() {
    let (shared, faulty, node) = faulty().await;
    let key = sample::key();
    let first = create(&shared, &key, &record()).await;
    let (gate, slow) = held_replace(&faulty, &node, key, first).await;
    node.delete(&key).await.unwrap();
    gate.open();
    slow.await.unwrap();
    assert_eq!(read(&node, &key).await, None);
}

#[tokio::test]
async fn a_write_of_unknown_outcome_leaves_nothing_and_its_announcement_is_heard() {
    let (_, faulty, node) = faulty().await;
    let key = sample::key();
    let first = create(&node, &key, &record()).await;
    faulty.lose_reply(Method::Replace, ErrorKind::Timeout);
    node.replace(&key, &record(), first).await.unwrap_err();
    eventually("the write that landed", async || {
        read(&node, &key).await.unwrap().0 == first.next()
    })
    .await;
}

/// F13: nobody knows whether the log-out happened; it is not this node that says it did not.
#[tokio::test]
async fn a_log_out_that_failed_is_refused_by_the_cache_all_the_same() {
    let (_, faulty, node) = faulty().await;
    let key = sample::key();
    let first = create(&node, &key, &record()).await;
    faulty.fail(&[Method::Delete], ErrorKind::Unavailable);
    node.delete(&key).await.unwrap_err();
    assert_eq!(read(&node, &key).await, Some((first, Source::Shared)));
}

#[tokio::test]
async fn a_refused_write_teaches_the_cache() {
    let (shared, faulty, node) = faulty().await;
    let key = sample::key();
    let first = create(&node, &key, &record()).await;
    // Before the announcement is there, if it is as fast as that.
    let second = replaced(shared.replace(&key, &record(), first).await);
    match node.replace(&key, &record(), first).await.unwrap() {
        Replaced::Conflict(current) => assert_eq!(current.revision, second),
        other => panic!("{other:?}"),
    }
    assert_eq!(read(&node, &key).await.unwrap().0, second);
    shared.delete(&key).await.unwrap();
    let gone = node.replace(&key, &record(), second).await.unwrap();
    assert!(matches!(gone, Replaced::Gone));
    assert_eq!(read(&node, &key).await, None);
    drop(faulty);
}

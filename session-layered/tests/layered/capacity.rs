//! What stays in a cache that is full, and for how long.

use std::sync::Arc;
use std::time::Duration;

use session_core::{Key, Source};
use session_memory::MemoryStore;
use session_testkit::sample;

use crate::fixture::{create, eventually, layered, leased, read, record, until_cached};

/// Room for some two hundred sessions.
const MAX_BYTES: usize = 250_000;

#[tokio::test]
async fn sessions_that_are_seen_once_evict_none_that_is_in_use() {
    const IN_USE: usize = 100;
    let shared = MemoryStore::new();
    let node = leased(layered(Arc::new(shared.clone())).max_bytes(MAX_BYTES)).await;
    let mut in_use: Vec<Key> = Vec::new();
    for _ in 0..IN_USE {
        let key = sample::key();
        create(&shared, &key, &record()).await;
        in_use.push(key);
    }
    // Those in use go on being used.
    for key in in_use.iter().cycle().take(100 * IN_USE) {
        read(&node, key).await.unwrap();
        let once = sample::key();
        create(&shared, &once, &record()).await;
        read(&node, &once).await.unwrap();
        // So that who listens is not overrun.
        tokio::task::yield_now().await;
    }
    let mut kept = 0;
    for key in &in_use {
        kept += usize::from(read(&node, key).await.unwrap().1 == Source::Local);
    }
    assert!(kept >= IN_USE * 9 / 10, "{kept} of {IN_USE} are still cached");
    let stats = node.stats();
    assert!(stats.bytes <= MAX_BYTES as u64, "{stats:?}");
}

#[tokio::test]
async fn what_nobody_asks_for_is_not_kept_for_longer_than_it_may() {
    let shared = MemoryStore::new();
    let node = leased(layered(Arc::new(shared)).ttl(Duration::from_millis(50))).await;
    let key = sample::key();
    let revision = create(&node, &key, &record()).await;
    until_cached(&node, &key, revision).await;
    eventually("it is read anew", async || {
        read(&node, &key).await == Some((revision, Source::Shared))
    })
    .await;
}

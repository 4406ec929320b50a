//! What cannot be right is refused when the store is built.

use std::sync::Arc;
use std::time::Duration;

use session_core::ErrorKind;
use session_layered::{Layered, LayeredBuilder};
use session_memory::MemoryStore;
use session_redis::{RedisStore, Topology};

#[test]
fn impossible_settings_name_the_field_and_the_reason() {
    let new = || Layered::builder(MemoryStore::new());
    let ms = Duration::from_millis;
    let cases: [(LayeredBuilder, &str, &str); 10] = [
        (new().max_bytes(0), "max_bytes", "a session takes"),
        (new().max_bytes(100), "max_bytes", "a session takes"),
        (new().max_bytes(usize::MAX), "max_bytes", "address space"),
        (new().ttl(Duration::ZERO), "ttl", "a millisecond to a day"),
        (new().ttl(Duration::MAX), "ttl", "a millisecond to a day"),
        (new().max_staleness(Duration::ZERO), "max_staleness", "four round trips"),
        (new().max_staleness(ms(19)), "max_staleness", "four round trips"),
        (new().max_staleness(ms(60_001)), "max_staleness", "longer than a minute"),
        (new().stale_if_error(Duration::MAX), "stale_if_error", "a day old"),
        (Layered::builder(silent()), "shared", "does not announce its changes"),
    ];
    for (builder, field, reason) in cases {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert_eq!(error.context("field"), Some(field), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert!(new().build().is_ok(), "the defaults pass their own checks, and without a runtime");
    assert!(new().max_staleness(ms(20)).ttl(ms(1)).build().is_ok());
}

fn silent() -> RedisStore {
    let topology = Topology::single("redis://127.0.0.1:1").unwrap();
    RedisStore::builder(topology).without_announcements().build().unwrap()
}

/// A service may build its stores before it has a runtime, and tests have one after the other.
#[test]
fn a_node_works_on_whatever_runtime_it_is_used() {
    let node = Layered::builder_shared(Arc::new(MemoryStore::new())).build().unwrap();
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let before = node.stats().subscriptions;
        runtime.block_on(async {
            crate::fixture::read(&node, &session_testkit::sample::key()).await;
            crate::fixture::eventually("a subscription", async || {
                node.stats().subscriptions > before
            })
            .await;
        });
    }
}

#[tokio::test]
async fn nothing_runs_on_after_the_last_handle() {
    let shared = MemoryStore::new();
    let node = crate::fixture::node(Arc::new(shared.clone())).await;
    let other = node.clone();
    drop(node);
    crate::fixture::read(&other, &session_testkit::sample::key()).await;
    let tasks = tokio::runtime::Handle::current().metrics();
    assert!(tasks.num_alive_tasks() > 0);
    drop(other);
    crate::fixture::eventually("all tasks are over", async || tasks.num_alive_tasks() == 0).await;
}

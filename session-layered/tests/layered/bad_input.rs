//! What others may write into the channels, and into the epoch.

use std::sync::Arc;

use session_core::{Source, Store as _};
use session_testkit::sample;
use session_testkit::servers::Redis;

use crate::fixture::{
    NAMESPACE, create, eventually, node, read, record, redis, replaced, short_leased, until_cached,
    until_leased,
};

#[tokio::test]
async fn garbage_is_counted_and_changes_nothing() {
    let server = Redis::start().await;
    let shared = redis(&server).build().unwrap();
    let node = node(Arc::new(shared.clone())).await;
    let key = sample::key();
    let first = create(&node, &key, &record()).await;
    let second = replaced(node.replace(&key, &record(), first).await);
    let mut connection = server.connection().await;
    let mut publish = async |channel: &str, message: &[u8]| {
        let mut command = ::redis::cmd("PUBLISH");
        command.arg(channel).arg(message);
        command.query_async::<u64>(&mut connection).await.unwrap()
    };
    let changes = format!("{NAMESPACE}:changes");
    let changes_heard = || node.stats().unneeded + node.stats().evicted;
    eventually("its own announcements", async || changes_heard() == 2).await;
    let before = node.stats();

    let huge = vec![1; 1 << 20];
    let name = [&[1], key.partition().as_bytes().as_slice(), key.digest()].concat();
    let future = [&[2], &name[1..]].concat();
    for garbage in [b"".as_slice(), b"hello", b"{}", &name[..34], &future, &huge] {
        assert_eq!(publish(&changes, garbage).await, 1);
    }
    // Duplicates, in the wrong order: what is known already.
    for revision in [second, first, first, second] {
        let message = [name.as_slice(), &revision.get().to_be_bytes()].concat();
        assert_eq!(publish(&changes, &message).await, 1);
    }
    // Of other sessions, and of another namespace, to which nobody listens.
    let other = [&[1], sample::key().partition().as_bytes().as_slice(), &[7; 32]].concat();
    assert_eq!(publish(&changes, &other).await, 1);
    assert_eq!(publish("shop2:changes", &name).await, 0);
    eventually("all of it", async || node.stats().unneeded == before.unneeded + 5).await;

    let after = node.stats();
    assert_eq!(after.unintelligible, before.unintelligible + 6);
    assert_eq!((after.evicted, after.subscriptions), (before.evicted, before.subscriptions));
    assert_eq!(read(&node, &key).await, Some((second, Source::Local)));
    // That somebody claims it has ended costs a read, no more.
    assert_eq!(publish(&changes, &name).await, 1);
    eventually("the claim", async || node.stats().evicted > after.evicted).await;
    assert_eq!(read(&node, &key).await, Some((second, Source::Shared)));
    // It is not held against the session later, either.
    let before = node.stats().subscriptions;
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    eventually("another subscription", async || node.stats().subscriptions > before).await;
    assert_eq!(read(&node, &key).await, Some((second, Source::Shared)));
    assert_eq!(node.stats().risen, 0);
}

#[tokio::test]
async fn an_operator_empties_every_cache_with_one_command() {
    let server = Redis::start().await;
    let shared = redis(&server).build().unwrap();
    let node = short_leased(Arc::new(shared.clone())).await;
    let key = sample::key();
    let revision = create(&node, &key, &record()).await;
    until_cached(&node, &key, revision).await;
    for command in [["DEL", ""], ["SET", "anew"]] {
        let before = node.stats().other_epochs;
        let epoch: Vec<String> = server.query(&["KEYS", "*epoch"]).await.unwrap();
        let arguments: Vec<&str> =
            [command[0], &epoch[0], command[1]].into_iter().filter(|it| !it.is_empty()).collect();
        server.command(&arguments).await;
        eventually("the other epoch", async || node.stats().other_epochs > before).await;
        until_leased(&node).await;
        assert_eq!(read(&node, &key).await, Some((revision, Source::Shared)));
        until_cached(&node, &key, revision).await;
    }
}

//! Reads that may be a little behind.

use std::time::{Duration, Instant};

use session_core::{Consistency, Key, Load, Loaded, Store as _};
use session_redis::RedisStore;
use session_testkit::sample;
use session_testkit::servers::{Cluster, Redis, Sentinel};

use crate::fixture::{anonymous, builder, create, eventually, store};

/// Of the store whose replica hangs. Half of it may be lost on the replica.
const TIMEOUT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn behind_sentinels_a_replica_answers_those_who_allow_it() {
    let sentinel = Sentinel::start().await;
    let store = builder(&sentinel).timeout(TIMEOUT).build().unwrap();
    let (primary, replica) = (sentinel.primary(), &sentinel.replicas()[0]);
    only_replicas_answer(&store, &[primary], &[replica]).await;
    primaries_answer_when_replicas_do_not(&store, &[primary], &[replica]).await;
}

#[tokio::test]
async fn in_a_cluster_replicas_answer_those_who_allow_it() {
    let cluster = Cluster::start().await;
    let store = builder(&cluster).timeout(TIMEOUT).build().unwrap();
    let primaries: Vec<&Redis> = cluster.primaries().iter().collect();
    let replicas: Vec<&Redis> = cluster.replicas().iter().collect();
    only_replicas_answer(&store, &primaries, &replicas).await;
    primaries_answer_when_replicas_do_not(&store, &primaries, &replicas).await;
}

#[tokio::test]
async fn a_replica_is_not_taken_for_a_primary() {
    let primary = Redis::start().await;
    let address = format!("127.0.0.1 {}", primary.port());
    let replica = Redis::builder().config("replicaof", address).start().await;
    let (key, _) = create(&store(&primary), &anonymous()).await;
    let misled = store(&replica);
    for consistency in [Consistency::Cached, Consistency::Strong] {
        let error = misled.load(&key, Load::default().consistency(consistency)).await.unwrap_err();
        assert_eq!(error.context("code"), Some("READONLY"), "{error}");
    }
    assert_eq!(gets(&[&replica]).await, 0, "it might be behind");
}

#[tokio::test]
async fn where_there_is_no_replica_the_primary_answers() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let keys = sessions(&store, &[&redis], &[]).await;
    let before = gets(&[&redis]).await;
    read(&store, &keys, Consistency::Replica).await;
    assert_eq!(gets(&[&redis]).await, before + keys.len() as u64);
}

async fn only_replicas_answer(store: &RedisStore, primaries: &[&Redis], replicas: &[&Redis]) {
    let keys = sessions(store, primaries, replicas).await;
    let all = keys.len() as u64;
    // The first of these reads have the replicas connected.
    eventually("replicas to answer all reads", async || {
        let before = (gets(primaries).await, gets(replicas).await);
        read(store, &keys, Consistency::Replica).await;
        let answered = (gets(primaries).await - before.0, gets(replicas).await - before.1);
        answered == (0, all)
    })
    .await;
    let missing = store.load(&sample::key(), of(Consistency::Replica)).await.unwrap();
    assert!(matches!(missing, Loaded::Absent), "{missing:?}");

    let before = (gets(primaries).await, gets(replicas).await);
    for consistency in [Consistency::Cached, Consistency::Strong] {
        read(store, &keys, consistency).await;
    }
    assert_eq!(gets(replicas).await, before.1, "nobody has allowed it");
    assert_eq!(gets(primaries).await, before.0 + 2 * all);
}

async fn primaries_answer_when_replicas_do_not(
    store: &RedisStore,
    primaries: &[&Redis],
    replicas: &[&Redis],
) {
    let keys = sessions(store, primaries, replicas).await;
    replicas.iter().for_each(|replica| replica.pause());
    // One that hangs costs time until it is found out, and none from then on.
    eventually("replicas to be left alone", async || {
        let start = Instant::now();
        read(store, &keys, Consistency::Replica).await;
        start.elapsed() < TIMEOUT / 2
    })
    .await;
    replicas.iter().for_each(|replica| replica.kill());
    read(store, &keys, Consistency::Replica).await;
}

/// Some sessions on each primary, when the replicas have them too.
async fn sessions(store: &RedisStore, primaries: &[&Redis], replicas: &[&Redis]) -> Vec<Key> {
    let mut keys = Vec::new();
    for _ in 0..12 {
        keys.push(create(store, &anonymous()).await.0);
    }
    eventually("replicas to be in step", async || {
        let (mut there, mut copied) = (0, 0);
        for primary in primaries {
            there += size(primary).await;
        }
        for replica in replicas {
            copied += size(replica).await;
        }
        replicas.is_empty() || there == copied
    })
    .await;
    keys
}

async fn read(store: &RedisStore, keys: &[Key], consistency: Consistency) {
    for key in keys {
        let loaded = store.load(key, of(consistency)).await.unwrap();
        assert!(matches!(loaded, Loaded::Found { .. }), "{loaded:?}");
    }
}

fn of(consistency: Consistency) -> Load {
    Load::default().consistency(consistency)
}

async fn gets(servers: &[&Redis]) -> u64 {
    let mut calls = 0;
    for server in servers {
        calls += server.command_calls("get").await;
    }
    calls
}

async fn size(server: &Redis) -> u64 {
    server.query(&["DBSIZE"]).await.unwrap()
}

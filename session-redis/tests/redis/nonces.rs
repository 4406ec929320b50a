//! What may be used only once.

use std::sync::Arc;
use std::time::Duration;

use session_core::{Error, ErrorKind};
use session_redis::{Claim, RedisNonces};
use session_testkit::servers::{Cluster, Redis};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::fixture::{builder, eventually, store};

const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn a_nonce_is_first_once_and_replayed_from_then_on() {
    let redis = Redis::start().await;
    let nonces = [RedisNonces::new(&store(&redis)), RedisNonces::new(&store(&redis))];
    let everything: Vec<u8> = (0..=u8::MAX).cycle().take(10_000).collect();
    for nonce in [b"".as_slice(), b"\0", b"client-7:5f1c", b"client-7:5f1d", &everything] {
        assert_eq!(nonces[0].claim(nonce, LONG).await.unwrap(), Claim::First);
        for nonces in &nonces {
            assert_eq!(nonces.claim(nonce, LONG).await.unwrap(), Claim::Replayed);
        }
    }
    // Other applications have nonces of their own.
    let neighbour = RedisNonces::new(&builder(&redis).namespace("shop2").build().unwrap());
    assert_eq!(neighbour.claim(b"client-7:5f1c", LONG).await.unwrap(), Claim::First);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_race_one_is_first() {
    let redis = Redis::start().await;
    race([store(&redis), store(&redis)].map(|store| RedisNonces::new(&store))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_race_in_a_cluster_one_is_first() {
    let cluster = Cluster::builder().without_replicas().start().await;
    race([store(&cluster), store(&cluster)].map(|store| RedisNonces::new(&store))).await;
}

async fn race(nonces: [RedisNonces; 2]) {
    let nonces = nonces.map(Arc::new);
    for round in 0..20_u8 {
        let start = Arc::new(Barrier::new(100));
        let mut claims = JoinSet::new();
        for nonces in nonces.iter().cycle().take(100) {
            let (nonces, start) = (Arc::clone(nonces), Arc::clone(&start));
            claims.spawn(async move {
                start.wait().await;
                nonces.claim(&[round], LONG).await.unwrap()
            });
        }
        let claims = claims.join_all().await;
        let first = claims.iter().filter(|claim| **claim == Claim::First).count();
        assert_eq!((first, claims.len()), (1, 100));
    }
}

#[tokio::test]
async fn a_nonce_is_forgotten_after_its_lifetime_and_not_before() {
    let redis = Redis::start().await;
    let nonces = RedisNonces::new(&store(&redis));
    assert_eq!(nonces.claim(b"lasting", LONG).await.unwrap(), Claim::First);
    let names: Vec<String> = redis.query(&["KEYS", "*"]).await.unwrap();
    let [name] = names.as_slice() else { panic!("one nonce: {names:?}") };
    let ttl: u128 = redis.query(&["PTTL", name]).await.unwrap();
    assert!((LONG.as_millis() - 60_000..=LONG.as_millis()).contains(&ttl), "{ttl} ms");
    // To replay it does not keep it any longer.
    assert_eq!(nonces.claim(b"lasting", LONG * 2).await.unwrap(), Claim::Replayed);
    let after: u128 = redis.query(&["PTTL", name]).await.unwrap();
    assert!(after <= ttl);

    for lifetime in [Duration::from_millis(1), Duration::from_nanos(1), Duration::ZERO] {
        let claim = async || nonces.claim(b"short", lifetime).await.unwrap();
        assert_eq!(claim().await, Claim::First);
        eventually("the nonce to be forgotten", async || {
            redis.query::<usize>(&["DBSIZE"]).await.unwrap() == 1
        })
        .await;
    }
}

#[tokio::test]
async fn a_server_that_may_forget_is_refused() {
    let redis = Redis::start().await;
    let set = async |setting: &str, value: &str| {
        redis.command(&["CONFIG", "SET", setting, value]).await;
    };
    // Another one each time: a server is not looked at before every claim.
    let claim = async || RedisNonces::new(&store(&redis)).claim(b"nonce", LONG).await;
    let evicting = [
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ];
    for policy in evicting {
        set("maxmemory", "100mb").await;
        set("maxmemory-policy", policy).await;
        let error = claim().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{policy}: {error}");
        assert_eq!(error.context("value"), Some(policy), "{error}");
        assert_eq!(redis.query::<usize>(&["DBSIZE"]).await.unwrap(), 0, "it was claimed");
    }
    set("maxmemory-policy", "noeviction").await;
    assert_eq!(claim().await.unwrap(), Claim::First);
    for policy in evicting {
        set("maxmemory", "0").await;
        set("maxmemory-policy", policy).await;
        assert_eq!(claim().await.unwrap(), Claim::Replayed, "nothing is evicted without a limit");
    }
}

#[tokio::test]
async fn a_server_that_may_forget_is_refused_each_time() {
    let redis = Redis::builder()
        .config("maxmemory", "100mb")
        .config("maxmemory-policy", "allkeys-lru")
        .start()
        .await;
    let nonces = RedisNonces::new(&store(&redis));
    for _ in 0..3 {
        let error = nonces.claim(b"nonce", LONG).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    }
    // And taken as soon as it is set right.
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    assert_eq!(nonces.claim(b"nonce", LONG).await.unwrap(), Claim::First);
}

#[tokio::test]
async fn a_claim_costs_one_command() {
    let redis = Redis::start().await;
    let nonces = RedisNonces::new(&store(&redis));
    assert_eq!(nonces.claim(b"the first", LONG).await.unwrap(), Claim::First);
    let before = (redis.command_calls("set").await, redis.command_calls("info").await);
    for number in 0..100_u8 {
        assert_eq!(nonces.claim(&[number], LONG).await.unwrap(), Claim::First);
    }
    assert_eq!(redis.command_calls("set").await, before.0 + 100);
    // Two of them are the test's own.
    let info = redis.command_calls("info").await - before.1 - 2;
    assert!(info <= 10, "it is looked at every ten seconds, not {info} times");
}

#[tokio::test]
async fn no_nonce_is_stored() {
    let redis = Redis::start().await;
    let nonces = RedisNonces::new(&store(&redis));
    assert_eq!(nonces.claim(b"hunter2", LONG).await.unwrap(), Claim::First);
    let names: Vec<String> = redis.query(&["KEYS", "*"]).await.unwrap();
    let [name] = names.as_slice() else { panic!("one nonce: {names:?}") };
    assert!(name.starts_with("shop:nonce:{") && !name.contains("hunter2"), "{name}");
    assert_eq!(redis.query::<String>(&["GET", name]).await.unwrap(), "");
}

#[tokio::test]
async fn without_an_answer_nothing_is_claimed() {
    let redis = Redis::start().await;
    let store = builder(&redis).timeout(Duration::from_millis(500)).build().unwrap();
    let nonces = RedisNonces::new(&store);
    assert_eq!(nonces.claim(b"before", LONG).await.unwrap(), Claim::First);
    redis.pause();
    let error = nonces.claim(b"during", LONG).await.unwrap_err();
    assert!(is_outage(&error), "{error}");
    redis.kill();
    for _ in 0..3 {
        let error = nonces.claim(b"during", LONG).await.unwrap_err();
        assert!(is_outage(&error), "{error}");
    }
    let unreached = RedisNonces::new(&crate::fixture::store(&redis));
    assert!(is_outage(&unreached.claim(b"during", LONG).await.unwrap_err()));
    redis.restart().await;
    eventually("the server to be back", async || nonces.claim(b"after", LONG).await.is_ok()).await;
}

fn is_outage(error: &Error) -> bool {
    assert_eq!(error.operation(), Some("claim nonce"));
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout)
}

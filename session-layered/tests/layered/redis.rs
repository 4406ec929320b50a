//! On real servers that lose subscriptions, hang, and forget.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use session_core::{Clock as _, Load, Loaded, Source, Store, SystemClock, Touch};
use session_layered::Layered;
use session_testkit::sample;
use session_testkit::servers::{Cluster, Redis, Sentinel};

use crate::fixture::{
    D, NAMESPACE, SOON, UNDISTURBED, create, eventually, last_local, layered, leased, node, read,
    record, redis, replaced, short_leased, until_cached, until_leased,
};

/// How long a busy machine may take for what is done at once.
const SLACK: Duration = Duration::from_millis(250);

#[tokio::test]
async fn warm_reads_are_no_commands() {
    let server = Redis::start().await;
    let node = node(Arc::new(redis(&server).build().unwrap())).await;
    let key = sample::key();
    create(&node, &key, &record()).await;
    let before = server.info("commandstats").await;
    for _ in 0..10_000 {
        assert_eq!(read(&node, &key).await.unwrap().1, Source::Local);
    }
    let after = server.info("commandstats").await;
    // What an echo is made of, and what it takes to ask.
    let others = after.iter().filter(|(name, calls)| before.get(*name) != Some(calls));
    let others: Vec<&str> = others.map(|(name, _)| name.as_str()).collect();
    let echo = ["evalsha", "hmget", "hset", "pexpire", "time", "get", "publish"];
    let known = echo.into_iter().chain(["info", "auth"]);
    let is_known = |name: &&str| known.clone().any(|it| *name == format!("cmdstat_{it}"));
    assert!(others.iter().all(is_known), "{others:?}");
    let echoes = calls(&after, "publish") - calls(&before, "publish");
    for command in echo {
        assert_eq!(calls(&after, command) - calls(&before, command), echoes, "{command}");
    }
}

/// Of one moment, since it is one answer: `calls=3,usec=…`.
fn calls(stats: &BTreeMap<String, String>, command: &str) -> u64 {
    let stat = stats.get(&format!("cmdstat_{command}")).map_or("calls=0,", String::as_str);
    stat.strip_prefix("calls=").and_then(|it| it.split(',').next()).unwrap().parse().unwrap()
}

/// F3: what was cached under the old subscription is not served under the new one.
#[tokio::test]
async fn a_killed_subscription_empties_the_cache() {
    let server = Redis::start().await;
    let shared = redis(&server).build().unwrap();
    let node = node(Arc::new(shared.clone())).await;
    for _ in 0..8 {
        let key = sample::key();
        let first = create(&shared, &key, &record()).await;
        read(&node, &key).await.unwrap();
        let before = node.stats().subscriptions;
        server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        let second = replaced(shared.replace(&key, &record(), first).await);
        let killed = Instant::now();
        eventually("another subscription", async || node.stats().subscriptions > before).await;
        assert_eq!(read(&node, &key).await.unwrap().0, second, "{:?} later", killed.elapsed());
    }
}

/// F4: the server hangs up on who does not listen fast enough.
#[tokio::test]
async fn an_overrun_subscription_is_a_new_one() {
    let server = Redis::start().await;
    server.command(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1kb 1kb 1"]).await;
    let shared = redis(&server).build().unwrap();
    let node = short_leased(Arc::new(shared.clone())).await;
    let key = sample::key();
    let first = create(&shared, &key, &record()).await;
    read(&node, &key).await.unwrap();
    let before = node.stats().subscriptions;
    let flood = "for i = 1, 2000 do redis.call('PUBLISH', ARGV[1], string.rep('x', 100)) end";
    eventually("an overrun", async || {
        server.command(&["EVAL", flood, "0", &format!("{NAMESPACE}:changes")]).await;
        node.stats().subscriptions > before
    })
    .await;
    let second = replaced(shared.replace(&key, &record(), first).await);
    let last = last_local_revision(&node, &key, first).await;
    assert!(last <= D, "{last:?}");
    assert_eq!(read(&node, &key).await.unwrap().0, second);
}

/// How long from now on an old revision is served.
async fn last_local_revision(
    node: &Layered,
    key: &session_core::Key,
    old: session_core::Revision,
) -> Duration {
    let (begun, mut last) = (Instant::now(), Duration::ZERO);
    while begun.elapsed() < D + SLACK {
        let asked = begun.elapsed();
        if read(node, key).await.is_some_and(|(revision, _)| revision == old) {
            last = asked;
        }
        tokio::task::yield_now().await;
    }
    last
}

/// F19: the sessions are gone; nobody announces that.
#[tokio::test]
async fn a_flushed_server_is_noticed_within_the_bound() {
    let server = Redis::start().await;
    let node = short_leased(Arc::new(redis(&server).build().unwrap())).await;
    for command in ["FLUSHALL", "FLUSHDB"] {
        let key = sample::key();
        create(&node, &key, &record()).await;
        server.command(&[command]).await;
        let last = last_local(&node, &key, Instant::now()).await;
        println!("{command}: last served {last:?} after it, D is {D:?}");
        assert!(last <= D, "{last:?}");
        until_leased(&node).await;
    }
}

#[tokio::test]
async fn a_server_that_is_restarted_is_listened_to_again() {
    let server =
        Redis::builder().config("appendonly", "yes").config("appendfsync", "always").start().await;
    let shared = redis(&server).build().unwrap();
    let node = short_leased(Arc::new(shared.clone())).await;
    let key = sample::key();
    let revision = create(&node, &key, &record()).await;
    server.kill();
    eventually("the lease runs out", async || node.stats().lease_left.is_zero()).await;
    node.load(&key, Load::default()).await.unwrap_err();
    server.restart().await;
    let back = Instant::now();
    until_leased(&node).await;
    println!("a lease {:?} after the server was back", back.elapsed());
    assert!(back.elapsed() < SOON);
    assert_eq!(read(&node, &key).await, Some((revision, Source::Shared)));
    until_cached(&node, &key, revision).await;
}

/// F13, with the longer bound that an application may allow itself.
#[tokio::test]
async fn during_an_outage_what_is_cached_is_served_where_that_is_allowed() {
    let server = Redis::start().await;
    let shared = redis(&server).build().unwrap();
    let behind = Arc::new(redis(&server).timeout(Duration::from_millis(200)).build().unwrap());
    let strict = short_leased(Arc::clone(&behind) as Arc<dyn Store>).await;
    let lenient = layered(behind).max_staleness(D).stale_if_error(Duration::from_secs(60));
    let lenient = leased(lenient.ttl(Duration::from_secs(120))).await;
    let [cached, ended, other] = std::array::from_fn(|_| sample::key());
    let mut revisions = Vec::new();
    for key in [cached, ended] {
        let revision = create(&shared, &key, &record()).await;
        until_cached(&strict, &key, revision).await;
        until_cached(&lenient, &key, revision).await;
        revisions.push(revision);
    }
    server.pause();
    for node in [&strict, &lenient] {
        eventually("the lease runs out", async || node.stats().lease_left.is_zero()).await;
    }
    strict.load(&cached, Load::default()).await.unwrap_err();
    let before = lenient.stats().stale;
    assert_eq!(read(&lenient, &cached).await.map(|it| it.1), Some(Source::Local));
    assert_eq!(lenient.stats().stale, before + 1);
    lenient.load(&other, Load::default()).await.unwrap_err();
    lenient.delete(&ended).await.unwrap_err();
    lenient.load(&ended, Load::default()).await.unwrap_err();
    server.resume();
    until_leased(&lenient).await;
    until_cached(&lenient, &cached, revisions[0]).await;
}

#[tokio::test]
async fn a_failover_changes_the_subscription_and_no_log_out_comes_back() {
    let sentinel = Sentinel::start().await;
    let shared = redis(&sentinel).build().unwrap();
    let node = short_leased(Arc::new(shared.clone())).await;
    let (key, ended) = (sample::key(), sample::key());
    let revision = create(&node, &key, &record()).await;
    create(&node, &ended, &record()).await;
    node.delete(&ended).await.unwrap();
    replicated(sentinel.primary()).await;
    let before = node.stats().subscriptions;
    sentinel.fail_over().await;
    eventually("the new primary", async || node.stats().subscriptions > before).await;
    until_leased(&node).await;
    until_cached(&node, &key, revision).await;
    assert_eq!(read(&node, &ended).await, None);
    let second = replaced(shared.replace(&key, &record(), revision).await);
    eventually("its announcement", async || read(&node, &key).await.unwrap().0 == second).await;
}

/// Returns once a replica has everything that was written so far.
async fn replicated(primary: &Redis) {
    let mut connection = primary.connection().await;
    let mut ask = async |words: &[&str]| {
        let mut command = ::redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async::<::redis::Value>(&mut connection).await.unwrap()
    };
    eventually("a replica in step", async || {
        // Waits for what its own connection has written, and so for all that came before.
        ask(&["SET", "in-step", "1"]).await;
        matches!(ask(&["WAIT", "1", "1000"]).await, ::redis::Value::Int(replicas) if replicas > 0)
    })
    .await;
}

#[tokio::test]
async fn in_a_cluster_each_primary_has_its_own_lease() {
    // So that the others do not take the one for dead, and themselves for too few.
    let cluster = Cluster::builder().without_replicas().node_timeout(UNDISTURBED).start().await;
    let shared = redis(&cluster).build().unwrap();
    let behind = Arc::new(redis(&cluster).timeout(Duration::from_millis(500)).build().unwrap());
    // Long enough for all that is asked while the others must not run out of theirs.
    let node = leased(layered(behind).max_staleness(Duration::from_secs(5))).await;
    eventually("all lanes", async || node.stats().subscriptions >= 3).await;
    until_leased(&node).await;
    let backplane = shared.backplane().unwrap();
    let stopped = &cluster.primaries()[0];
    let mut sessions = Vec::new();
    for _ in 0..60 {
        let key = sample::key();
        let revision = create(&shared, &key, &record()).await;
        until_cached(&node, &key, revision).await;
        sessions.push((key, backplane.lane_of(&key).unwrap()));
    }
    let idle_deadline = SystemClock.now().plus(Duration::from_secs(2 * 3_600));
    let touches: Vec<Touch> =
        sessions.iter().map(|(key, _)| Touch { key: *key, idle_deadline }).collect();
    stopped.pause();
    node.touch(&touches).await.unwrap();
    eventually("its lease runs out", async || node.stats().lease_left.is_zero()).await;
    let (mut local, mut refused) = (Vec::new(), Vec::new());
    for (key, lane) in &sessions {
        match node.load(key, Load::default()).await {
            Ok(Loaded::Found { source: Source::Local, .. }) => local.push(*lane),
            Ok(other) => panic!("{other:?}"),
            Err(_) => refused.push(*lane),
        }
    }
    refused.sort();
    refused.dedup();
    assert_eq!(refused.len(), 1, "only what lies on the primary that is stopped");
    assert!(!local.is_empty() && !local.contains(&refused[0]));

    let elsewhere = sessions.iter().filter(|(_, lane)| *lane != refused[0]).count() as u64;
    assert_eq!(node.stats().touches.sent, elsewhere, "touches of what lies elsewhere were sent");
    stopped.resume();
    until_leased(&node).await;
    eventually("the others", async || node.stats().touches.waiting == 0).await;
}

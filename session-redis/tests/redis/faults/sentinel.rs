//! The master fails, hangs, comes back, or hands over.

use std::collections::HashSet;
use std::ops::Range;
use std::time::{Duration, Instant};

use session_core::{Clock as _, Key, Loaded, Store as _, SystemClock};
use session_redis::Topology;
use session_testkit::sample;
use session_testkit::servers::{Redis, Sentinel};

use super::checker::lost_before;
use super::history::{Event, Operation, Outcome, acknowledged_writes};
use super::old_master::{Monitor, Plain};
use super::patience::{for_ms, ms, until};
use super::workload::Workload;
use super::{DEADLINE, RECOVERY, SLACK, builder, open};

/// How long servers and Sentinels may take for what they do; no promise of ours.
const LONG: Duration = Duration::from_secs(30);

async fn start() -> Sentinel {
    let sentinel = Sentinel::builder().down_after(ms(500)).start().await;
    for one in sentinel.sentinels() {
        // Four times this long they leave a master in peace that comes back.
        one.command(&["SENTINEL", "DEBUG", "PUBLISH-PERIOD", "500"]).await;
    }
    // A replica that is online may take another second until it says how far it is.
    until("a replica in step", LONG, async || {
        let replication = sentinel.primary().info("replication").await;
        replication.get("slave0").is_some_and(|replica| !replica.contains("offset=0,"))
    })
    .await;
    sentinel
}

fn topology(sentinel: &Sentinel) -> Result<Topology, session_core::Error> {
    Topology::sentinel(sentinel.nodes(), sentinel.master())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_is_replaced_within_the_failover_and_two_seconds() {
    let sentinel = start().await;
    let store = open(topology(&sentinel));
    let load = Workload::start(&[&store]).await;
    for_ms(500).await;

    sentinel.primary().kill();
    let killed = Instant::now();
    let failover = switched(&sentinel).await;
    let recovered = load.writes_again(killed).await;
    println!("F16a: failover after {failover:?}, first write after {recovered:?}");
    assert!(recovered <= failover + RECOVERY);

    for_ms(500).await;
    load.history().assert_no_failures(Instant::now() - ms(250));
    load.history().assert_typed_and_within(DEADLINE + SLACK);
    let (events, violations) = load.finish().await;
    let lost = lost_before(killed, &violations);
    println!("F16a: {lost} of {} acknowledged writes lost", acknowledged_writes(&events));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_master_that_comes_back_is_not_written_to() {
    let sentinel = start().await;
    let old = sentinel.primary();
    let store = open(topology(&sentinel));
    let waiting = builder(topology(&sentinel)).wait(1, ms(250)).build().unwrap();
    let load = Workload::start(&[&store]).await;
    let waiting_load = Workload::start(&[&waiting]).await;
    let plain = Plain::start(old);
    let monitor = Monitor::start(old).await;
    for_ms(500).await;

    let before = Instant::now();
    old.pause();
    let frozen = Instant::now();
    let failover = switched(&sentinel).await;
    let recovered = load.writes_again(frozen).await;
    println!("F16b: failover after {failover:?}, first write after {recovered:?}");
    assert!(recovered <= failover + RECOVERY);
    let waiting_recovered = waiting_load.writes_again(frozen).await;
    assert!(waiting_recovered <= failover + RECOVERY);

    let (resumed, resumed_at) = (Instant::now(), SystemClock.now().as_millis());
    old.resume();
    let demoted = demoted(old).await;
    println!("F16b: old master demoted {demoted:?} after it came back");
    assert!(demoted > SLACK, "it had no time to be written to");
    for_ms(500).await;
    let calls = [&load, &waiting_load].map(|load| load.history().events()).concat();
    assert_not_written_to(&monitor.writes(resumed_at), &calls, before..resumed);

    let new = sentinel.redis(sentinel.current_primary_port().await);
    let (lost, all) = plain.lost(resumed, new).await;
    println!("F16b: a plain client lost {lost} of the {all} writes that were acknowledged then");
    assert!(lost > 0, "the test does not see what it is for");

    let (events, violations) = load.finish().await;
    let (lost, all) = (lost_before(frozen, &violations), acknowledged_writes(&events));
    println!("F16b: {lost} of {all} acknowledged writes lost");
    let (events, violations) = waiting_load.finish().await;
    let (lost, all) = (lost_before(frozen, &violations), acknowledged_writes(&events));
    println!("F16b: {lost} of {all} where log-ins, rotations and log-outs wait for a replica");
    let waited = violations.iter().find(|violation| has_waited(&violation.promised));
    assert!(waited.is_none(), "{}", waited.unwrap());
}

/// That what the old master executed when it came back had lain in its buffers: each write is a call
/// that was begun while it was frozen, and failed. What it would have acknowledged is for the
/// history's checker, since it forgets all of it.
fn assert_not_written_to(writes: &[String], calls: &[Event], frozen: Range<Instant>) {
    // What was sent in the last moment before the freeze may have failed as well.
    let begun_then = |call: &&Event| call.end >= frozen.start && call.start < frozen.end;
    let has_failed = |call: &&Event| matches!(call.outcome, Outcome::Failed(..));
    let in_vain: Vec<&Event> = calls.iter().filter(begun_then).filter(has_failed).collect();
    let mut elsewhere: Vec<&String> = writes.iter().collect();
    for key in calls.iter().map(|call| call.key).collect::<HashSet<Key>>() {
        let name = key.to_string();
        let (_, digest) = name.split_once(':').expect("partition and digest");
        let written = writes.iter().filter(|line| line.contains(digest)).count();
        let explained = in_vain.iter().filter(|call| call.key == key).count();
        assert!(written <= explained, "{key:?} was written {written} times: {writes:#?}");
        elsewhere.retain(|line| !line.contains(digest));
    }
    // Indexes of subjects, which a call writes before its session: then that was never sent.
    assert!(writes.len() <= in_vain.len(), "{} calls explain {writes:#?}", in_vain.len());
    println!("F16b: it executed {} writes then, {} on indexes", writes.len(), elsewhere.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_failover_is_followed_at_once() {
    let sentinel = start().await;
    let store = open(topology(&sentinel));
    let load = Workload::start(&[&store]).await;
    for_ms(500).await;

    // Not the one that is first in the list, and the old master is left in peace for a while.
    for one in sentinel.sentinels() {
        one.command(&["SENTINEL", "DEBUG", "PUBLISH-PERIOD", "1000"]).await;
    }
    let asked = Instant::now();
    hand_over(&sentinel, &sentinel.replicas()[0]).await;
    switched(&sentinel).await;
    let failover = asked.elapsed();
    let switch = asked + failover;
    until("a write after the switch", failover + RECOVERY, async || {
        load.history().first_write(switch).is_some()
    })
    .await;
    assert_left(sentinel.primary()).await;
    load.history().assert_no_failures(switch + RECOVERY);
    let (events, violations) = load.finish().await;
    let last = violations.iter().map(|violation| violation.promised.start).max();
    let gap = last.map(|last| last.saturating_duration_since(switch));
    let lost = lost_before(switch + SLACK, &violations);
    println!("F16c: failover after {failover:?}");
    println!(
        "F16c: {lost} of {} acknowledged writes lost, the last begun {gap:?} after the switch",
        acknowledged_writes(&events)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_that_drags_on_is_followed_when_the_replica_is_promoted() {
    let sentinel = Sentinel::builder().replicas(2).start().await;
    let [heir, other] = sentinel.replicas() else { unreachable!() };
    other.command(&["CONFIG", "SET", "replica-priority", "0"]).await;
    for one in sentinel.sentinels() {
        let (name, patience) = (sentinel.master(), "4000");
        one.command(&["SENTINEL", "SET", name, "down-after-milliseconds", patience]).await;
    }
    let store = open(topology(&sentinel));
    let load = Workload::start(&[&store]).await;
    for_ms(500).await;

    // The failover ends when the other replica follows the new master, or after three seconds.
    other.pause();
    hand_over(&sentinel, heir).await;
    let (promoted, switch) = (Instant::now(), switched(&sentinel).await);
    assert_left(sentinel.primary()).await;
    for_ms(2_500).await;
    other.resume();
    for_ms(500).await;
    load.history().assert_no_failures(promoted + switch + RECOVERY);
    let (_, violations) = load.finish().await;
    let last = violations.iter().map(|violation| violation.promised.start).max();
    let gap = last.map(|last| last.saturating_duration_since(promoted));
    println!("F16c: promoted, and announced {switch:?} later, in a failover that drags on");
    println!(
        "F16c: the last acknowledged write that is lost was begun {gap:?} after the promotion"
    );
    lost_before(promoted + switch + SLACK, &violations);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_master_that_restarts_as_master_is_not_written_to() {
    let sentinel = start().await;
    let old = sentinel.primary();
    let store = open(topology(&sentinel));
    let load = Workload::start(&[&store]).await;
    for_ms(500).await;

    old.kill();
    let killed = Instant::now();
    let failover = switched(&sentinel).await;
    let recovered = load.writes_again(killed).await;
    assert!(recovered <= failover + RECOVERY);
    old.restart().await;
    assert!(is_master(old).await, "it knows of its successor already");
    let restarted = Instant::now();
    // One that has only just come to know the Sentinels is not misled either.
    let late = open(topology(&sentinel));
    let late_load = Workload::start(&[&late]).await;
    let demoted = demoted(old).await;
    for_ms(250).await;
    let writes = old.command_calls("evalsha").await + old.command_calls("eval").await;
    println!("F16d: {writes} writes in the {demoted:?} for which the old one was master again");
    assert_eq!(writes, 0);
    late_load.history().assert_no_failures(restarted);
    late_load.finish_clean().await;
    load.history().assert_no_failures(restarted);
    let (_, violations) = load.finish().await;
    lost_before(killed, &violations);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_that_hangs_keeps_nobody_from_hearing_of_a_switch() {
    let sentinel = start().await;
    let store = open(topology(&sentinel));
    let load = Workload::start(&[&store]).await;
    for_ms(900).await;

    let last = &sentinel.sentinels()[2];
    let (asked, old) = (Instant::now(), sentinel.primary().port());
    hand_over(&sentinel, &sentinel.replicas()[0]).await;
    sentinel.sentinels()[0].pause();
    until("a failover", LONG, async || named_by(last, &sentinel).await != Some(old)).await;
    let switch = Instant::now();
    assert_left(sentinel.primary()).await;
    load.writes_again(Instant::now()).await;
    let (events, violations) = load.finish().await;
    let last = violations.iter().map(|violation| violation.promised.start).max();
    let gap = last.map(|last| last.saturating_duration_since(switch));
    println!("F16e: failover after {:?}, with a Sentinel that hangs", switch - asked);
    let lost = lost_before(switch + SLACK, &violations);
    println!(
        "F16e: {lost} of {} acknowledged writes lost, the last begun {gap:?} after the switch",
        acknowledged_writes(&events)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sentinel_that_answers_is_enough() {
    let sentinel = start().await;
    sentinel.sentinels()[0].kill();
    sentinel.sentinels()[1].pause();
    let store = open(topology(&sentinel));
    let (start, key) = (Instant::now(), sample::key());
    let record = sample::record(SystemClock.now());
    store.create(&key, &record).await.unwrap();
    println!("F16e: the first call took {:?} with one Sentinel of three", start.elapsed());

    let load = Workload::start(&[&store]).await;
    let last = &sentinel.sentinels()[2];
    let asked = Instant::now();
    hand_over(&sentinel, &sentinel.replicas()[0]).await;
    let old = sentinel.primary().port();
    until("a failover", LONG, async || named_by(last, &sentinel).await != Some(old)).await;
    let failover = asked.elapsed();
    let recovered = load.writes_again(Instant::now()).await;
    println!("F16e: failover after {failover:?}, and {recovered:?} later a write");
    let (_, violations) = load.finish().await;
    lost_before(asked + failover + SLACK, &violations);
    assert!(matches!(store.load(&key, <_>::default()).await, Ok(Loaded::Found { .. })));
}

/// Has the last of the Sentinels promote a replica.
async fn hand_over(sentinel: &Sentinel, heir: &Redis) {
    let mut asked = None::<Instant>;
    until("the replica to be promoted", LONG, async || {
        // A failover that comes to nothing is not tried again by itself.
        if asked.is_none_or(|asked| asked.elapsed() > ms(4_000)) {
            let command = ["SENTINEL", "FAILOVER", sentinel.master()];
            let _ = sentinel.sentinels()[2].query::<String>(&command).await;
            asked = Some(Instant::now());
        }
        is_master(heir).await
    })
    .await;
}

/// How long the old master took to be demoted, or the time after which that is not waited for.
async fn demoted(old: &Redis) -> Duration {
    let start = Instant::now();
    while start.elapsed() < ms(4_000) && !is_replica(old).await {
        for_ms(10).await;
    }
    start.elapsed()
}

/// How long until the first of the Sentinels names another master.
async fn switched(sentinel: &Sentinel) -> Duration {
    let old = sentinel.primary().port();
    until("a failover", LONG, async || {
        for one in sentinel.sentinels() {
            if named_by(one, sentinel).await.is_some_and(|port| port != old) {
                return true;
            }
        }
        false
    })
    .await
}

async fn named_by(one: &Redis, sentinel: &Sentinel) -> Option<u16> {
    let command = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinel.master()];
    let address: Vec<String> = one.query(&command).await.ok()?;
    address.get(1)?.parse().ok()
}

async fn is_replica(redis: &Redis) -> bool {
    // Sentinels that reconfigure a server close all connections to it.
    let info = redis.query::<String>(&["INFO", "replication"]).await;
    info.is_ok_and(|info| info.contains("role:slave"))
}

/// That nobody writes to the old master any more, which may not know yet that it is the old one.
async fn assert_left(old: &Redis) {
    for_ms(500).await;
    let before = old.command_calls("evalsha").await;
    for_ms(1_000).await;
    assert_eq!(old.command_calls("evalsha").await, before);
}

async fn is_master(redis: &Redis) -> bool {
    let info = redis.query::<String>(&["INFO", "replication"]).await;
    info.is_ok_and(|info| info.contains("role:master"))
}

/// Whether this is one of the calls that wait for a replica.
fn has_waited(event: &Event) -> bool {
    matches!(
        event.operation,
        Operation::LogIn | Operation::RotateFrom | Operation::RotateTo | Operation::Delete
    )
}

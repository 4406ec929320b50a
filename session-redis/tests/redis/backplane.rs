//! What is announced, to whom, and when listening ends.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use redis::{RedisResult, Value};
use session_core::{
    Backplane, Change, Epoch, Error, ErrorKind, Event, Key, Lane, NodeId, Order, Revision,
    Store as _, Subscription,
};
use session_redis::RedisStore;
use session_testkit::sample;
use session_testkit::servers::{Cluster, Redis, Sentinel};
use tokio::time::timeout;

use crate::fixture::{NAMESPACE, anonymous, builder, create, eventually, replaced, store};

#[tokio::test]
async fn each_primary_of_a_cluster_is_a_lane_of_its_own() {
    let cluster = Cluster::builder().without_replicas().start().await;
    let (store, elsewhere) = (store(&cluster), store(&cluster));
    let backplane = store.backplane().unwrap();
    let mut lanes = backplane.lanes().await.unwrap();
    lanes.sort();
    assert_eq!(lanes.len(), 3);
    lanes.dedup();
    assert_eq!(lanes.len(), 3);
    let mut ears = Vec::new();
    for lane in &lanes {
        ears.push(Ear::on(&store, *lane).await);
    }

    for _ in 0..3 {
        let mut expected: BTreeMap<Lane, Vec<(Key, Change)>> = BTreeMap::new();
        for _ in 0..20 {
            let (key, revision) = create(&elsewhere, &anonymous()).await;
            let lane = backplane.lane_of(&key).unwrap();
            expected.entry(lane).or_default().push((key, Change::Revision(revision)));
        }
        for ear in &mut ears {
            // All of this lane's, none of the others', and an echo behind them.
            assert_eq!(ear.hear().await, expected.remove(&ear.lane).unwrap_or_default());
        }
        assert!(expected.is_empty(), "on lanes that are none");
    }

    let epochs = [ears[0].echo().await, ears[1].echo().await, ears[2].echo().await];
    for primary in cluster.primaries() {
        let heartbeats: Vec<String> = primary.query(&["KEYS", "*:nodes"]).await.unwrap();
        assert_eq!(heartbeats.len(), 1, "each primary answers for itself");
    }
    cluster.primaries()[0].command(&["FLUSHALL"]).await;
    let after = [ears[0].echo().await, ears[1].echo().await, ears[2].echo().await];
    let changed = epochs.iter().zip(&after).filter(|(before, after)| before != after);
    assert_eq!(changed.count(), 1, "one primary of three lost its data");

    let error = backplane.echo(Lane(77), NodeId(1), 1, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(backplane.subscribe(Lane(77), NodeId(1)).await.is_err());

    // One ends, and the others do not.
    cluster.primaries()[0].command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    let mut ended = 0;
    for ear in &mut ears {
        match ear.try_hear().await {
            Ok(_) => {}
            Err(_) => ended += 1,
        }
    }
    assert_eq!(ended, 1);
}

#[tokio::test]
async fn a_lane_that_loses_a_slot_is_not_relied_on_meanwhile() {
    let cluster = Cluster::builder().without_replicas().start().await;
    let store = store(&cluster);
    let backplane = store.backplane().unwrap();
    backplane.lanes().await.unwrap();

    // Just any slot, and the one in which the lane keeps its own keys.
    let (key, revision, mut source, from, moving) = loop {
        let (key, revision) = create(&store, &anonymous()).await;
        let mut source = Ear::of(&store, &key).await;
        source.hear().await;
        let slot = cluster_slot(&cluster, &crate::fixture::name_of(&key)).await;
        let from = cluster.primary_of(slot).await;
        let heartbeats: Vec<String> = from.query(&["KEYS", "*:nodes"]).await.unwrap();
        let moving = [slot, cluster_slot(&cluster, &heartbeats[0]).await];
        if moving[0] != moving[1] {
            break (key, revision, source, from, moving);
        }
    };
    let to = cluster.primaries().iter().find(|primary| primary.port() != from.port()).unwrap();
    let (from_id, to_id) = (cluster.node_id(from).await, cluster.node_id(to).await);
    for slot in moving {
        let mut late = Ear::on(&store, source.lane).await;
        late.echo().await;
        let number = slot.to_string();
        to.command(&["CLUSTER", "SETSLOT", &number, "IMPORTING", &from_id]).await;
        from.command(&["CLUSTER", "SETSLOT", &number, "MIGRATING", &to_id]).await;
        let error = source.try_echo().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        for lane in backplane.lanes().await.unwrap() {
            if lane != source.lane {
                Ear::on(&store, lane).await.hear().await;
            }
        }

        cluster.migrate_slot(slot, from, to).await;
        // What was cached under this lane may have changed elsewhere: whoever listens starts again.
        source.end().await;
        source = Ear::on(&store, source.lane).await;
        eventually("the lane to be relied on again", async || source.try_echo().await.is_ok())
            .await;
        source.catch_up().await;
        source.hear().await;
        // Who has not heard what came before does not rely on what comes now.
        late.try_echo().await.unwrap();
        let (events, _) = late.end().await;
        assert_eq!(events, []);
        // Nodes may hear of it late, and the others' lanes are not relied on before.
        for lane in backplane.lanes().await.unwrap() {
            eventually("every lane to be relied on", async || {
                let Ok(_subscription) = backplane.subscribe(lane, NodeId(9)).await else {
                    return false;
                };
                backplane.echo(lane, NodeId(9), 1, 0).await.is_ok()
            })
            .await;
        }
    }

    eventually("the session to be on another lane", async || {
        backplane.lane_of(&key).is_some_and(|lane| lane != source.lane)
    })
    .await;
    let mut target = Ear::of(&store, &key).await;
    let revision = replaced(store.replace(&key, &anonymous(), revision).await);
    assert_eq!(target.hear().await, [(key, Change::Revision(revision))]);
    assert_eq!(source.hear().await, []);
}

#[tokio::test]
async fn listening_ends_when_calls_take_another_connection() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let mut ear = Ear::only(&store).await;
    let (key, revision) = create(&store, &anonymous()).await;
    assert_eq!(ear.hear().await, [(key, Change::Revision(revision))]);
    // It may lead to another server, even at the same address.
    redis.command(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    let (_, error) = ear.end().await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let mut ear = Ear::patient(&store).await;
    assert_eq!(ear.hear().await, []);
}

#[tokio::test]
async fn listening_ends_when_sentinels_name_another_master() {
    let sentinel = Sentinel::start().await;
    let store = store(&sentinel);
    let backplane = store.backplane().unwrap();
    let lanes = backplane.lanes().await.unwrap();
    let mut ear = Ear::on(&store, lanes[0]).await;
    let (key, revision) = create(&store, &anonymous()).await;
    assert_eq!(ear.hear().await, [(key, Change::Revision(revision))]);

    // The old primary stays, and would go on sending.
    fail_over(&sentinel).await;
    let (_, error) = ear.end().await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(backplane.lanes().await.unwrap(), lanes, "the lane is whoever is master");

    eventually("a subscription to the new master", async || {
        let subscription = backplane.subscribe(lanes[0], NodeId(9)).await;
        subscription.is_ok() && backplane.echo(lanes[0], NodeId(9), 1, 0).await.is_ok()
    })
    .await;
    let mut ear = Ear::on(&store, lanes[0]).await;
    let (key, revision) = create(&store, &anonymous()).await;
    assert_eq!(ear.hear().await, [(key, Change::Revision(revision))]);
}

#[tokio::test]
async fn an_epoch_lasts_as_long_as_the_data_and_until_somebody_says_otherwise() {
    let redis = Redis::start().await;
    let (store, elsewhere) = (store(&redis), store(&redis));
    let mut ears = [Ear::only(&store).await, Ear::only(&elsewhere).await];
    let mut seen = Vec::new();
    let mut next = async || {
        let epoch = ears[0].echo().await;
        for _ in 0..3 {
            create(&store, &anonymous()).await;
            assert_eq!([ears[0].echo().await, ears[1].echo().await], [epoch; 2]);
        }
        assert!(!seen.contains(&epoch), "{epoch:?} is new");
        seen.push(epoch);
    };
    let name = format!("{NAMESPACE}:{{0000}}:epoch");
    next().await;
    redis.command(&["FLUSHALL"]).await;
    next().await;
    redis.command(&["DEL", &name]).await;
    next().await;
    for text in ["", "1", "reset by anna", "0123456789abcdef", "0123456789abcdeg"] {
        redis.command(&["SET", &name, text]).await;
        next().await;
    }
    // Persists nothing, so this is another life.
    redis.restart().await;
    let again = Ear::patient(&store).await.echo().await;
    assert!(!seen.contains(&again));
}

#[tokio::test]
async fn what_is_published_by_hand_disturbs_nobody() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let neighbour = builder(&redis).namespace("shop2").build().unwrap();
    let mut ear = Ear::only(&store).await;
    let mut connection = redis.connection().await;
    let mut publish = async |channel: &str, message: &[u8]| {
        let mut command = redis::cmd("PUBLISH");
        command.arg(channel).arg(message);
        command.query_async::<u64>(&mut connection).await.unwrap()
    };
    let (changes, echo) = (format!("{NAMESPACE}:changes"), ear.echo_channel());
    let key = sample::key();
    let announced = [&[1], key.partition().as_bytes().as_slice(), key.digest()].concat();

    let huge = vec![1; 1 << 20];
    for garbage in [b"".as_slice(), b"\0", b"{}", b"hello", &announced[..34], &[2; 35], &huge] {
        assert_eq!(publish(&changes, garbage).await, 1);
        assert_eq!(publish(&echo, garbage).await, 1);
    }
    for garbage in ["-1", "1.0", "99999999999999999999", " 1"] {
        assert_eq!(publish(&echo, garbage.as_bytes()).await, 1);
    }
    assert_eq!(ear.hear().await, [], "none of it was an announcement");
    assert_eq!(ear.unintelligible, 18, "and that is told");

    // A duplicate says again what is true. Somebody else's has another channel.
    let (key, revision) = create(&store, &anonymous()).await;
    let announced = [&[1], key.partition().as_bytes().as_slice(), key.digest()].concat();
    let first = [announced.as_slice(), &revision.get().to_be_bytes()].concat();
    for _ in 0..2 {
        publish(&changes, &first).await;
    }
    assert_eq!(publish("shop2:changes", &announced).await, 0);
    create(&neighbour, &anonymous()).await;
    let change = (key, Change::Revision(revision));
    assert_eq!(ear.hear().await, [change; 3]);
    assert_eq!(ear.hear().await, []);
}

#[tokio::test]
async fn listening_ends_when_the_server_hangs_up() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let mut ear = Ear::only(&store).await;
    let (key, revision) = create(&store, &anonymous()).await;
    redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    let (events, error) = ear.end().await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(events, [Event::Changed(key, Change::Revision(revision))], "what came before");
    // It stays so.
    let (events, _) = ear.end().await;
    assert_eq!(events, []);
    let mut ear = Ear::only(&store).await;
    assert_eq!(ear.hear().await, []);
}

#[tokio::test]
async fn who_cannot_follow_is_told_so() {
    let redis =
        Redis::builder().config("client-output-buffer-limit", "pubsub 1kb 1kb 1").start().await;
    let store = store(&redis);
    let mut ear = Ear::only(&store).await;
    assert_eq!(ear.hear().await, []);
    // In one step, during which the server sends nothing.
    let flood = "for number = 1, 10000 do
                   redis.call('PUBLISH', ARGV[1], ARGV[2] .. struct.pack('>I8', number))
                 end";
    let announced = format!("\u{1}{}", "k".repeat(34));
    let channel = format!("{NAMESPACE}:changes");
    redis.command(&["EVAL", flood, "0", &channel, &announced]).await;
    let (events, error) = ear.end().await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    // Without a gap up to where it ends.
    assert!(events.len() < 10_000, "{}", events.len());
    for (event, number) in events.iter().zip(1..) {
        let revision = Change::Revision(Revision::new(number));
        assert!(matches!(event, Event::Changed(_, change) if *change == revision), "{event:?}");
    }
}

#[tokio::test]
async fn a_node_leaves_a_heartbeat_and_no_connection() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let mut ear = Ear::only(&store).await;
    ear.hear().await;
    let name = format!("{NAMESPACE}:{{0000}}:nodes");
    let node = format!("{:016x}", ear.node.0);
    let heartbeat: String = redis.query(&["HGET", &name, &node]).await.unwrap();
    assert!(heartbeat.starts_with(&format!("{}:0:", ear.sent)), "{heartbeat}");
    let ttl: i64 = redis.query(&["PTTL", &name]).await.unwrap();
    assert!((1..=120_000).contains(&ttl), "{ttl} ms");

    let has_ended = async || {
        let listening: String = redis.query(&["CLIENT", "LIST", "TYPE", "pubsub"]).await.unwrap();
        listening.is_empty()
    };
    assert!(!has_ended().await);
    drop(ear);
    eventually("the connection to be closed", has_ended).await;
}

#[tokio::test]
async fn nodes_that_have_stopped_are_forgotten_now_and_then() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let [mut live, mut stopped] = [Ear::only(&store).await, Ear::only(&store).await];
    stopped.hear().await;
    live.hear().await;
    let name = format!("{NAMESPACE}:{{0000}}:nodes");
    let order = live.order().await;
    // As if that had been long ago.
    for (swept, expected) in [(0, 2), (order.0 - 1, 1)] {
        redis.command(&["HSET", &name, "swept", &format!("{swept}:1700000000")]).await;
        live.hear().await;
        assert_eq!(live.backplane.nodes(live.lane).await.unwrap().len(), expected);
    }
    assert!(live.order().await > order);
    let epoch = live.echo().await;
    redis.command(&["DEL", &name]).await;
    assert_ne!(live.echo().await, epoch, "whoever believes that the list is complete must notice");
}

/// A subscription, and the echoes that were sent to it.
struct Ear {
    backplane: Arc<dyn Backplane>,
    lane: Lane,
    node: NodeId,
    subscription: Box<dyn Subscription>,
    sent: u64,
    heard: u64,
    unintelligible: u64,
}

impl Ear {
    async fn on(store: &RedisStore, lane: Lane) -> Self {
        Self::try_on(store, lane).await.unwrap()
    }

    async fn try_on(store: &RedisStore, lane: Lane) -> Result<Self, Error> {
        let backplane = store.backplane().unwrap();
        let node = NodeId(fastrand::u64(..));
        let subscription = backplane.subscribe(lane, node).await?;
        Ok(Self { backplane, lane, node, subscription, sent: 0, heard: 0, unintelligible: 0 })
    }

    /// On the lane of a key.
    async fn of(store: &RedisStore, key: &Key) -> Self {
        Self::on(store, store.backplane().unwrap().lane_of(key).unwrap()).await
    }

    /// On the only lane there is.
    async fn only(store: &RedisStore) -> Self {
        let lanes = store.backplane().unwrap().lanes().await.unwrap();
        let [lane] = lanes.as_slice() else { panic!("one server is one lane: {lanes:?}") };
        Self::on(store, *lane).await
    }

    /// As [`only`](Self::only), on a server that may not be connected again yet.
    async fn patient(store: &RedisStore) -> Self {
        let mut ear = None;
        eventually("a subscription", async || {
            ear = Self::try_on(store, Lane(0)).await.ok();
            ear.is_some()
        })
        .await;
        ear.unwrap()
    }

    fn echo_channel(&self) -> String {
        format!("{NAMESPACE}:echo:{:016x}", self.node.0)
    }

    async fn echo(&mut self) -> Epoch {
        self.try_echo().await.unwrap()
    }

    async fn try_echo(&mut self) -> Result<Epoch, Error> {
        self.sent += 1;
        let echoed = self.backplane.echo(self.lane, self.node, self.sent, self.heard).await;
        echoed.map(|echoed| echoed.epoch)
    }

    async fn order(&mut self) -> Order {
        let nodes = self.backplane.nodes(self.lane).await.unwrap();
        nodes.iter().find(|it| it.node == self.node).unwrap().order
    }

    /// What has changed up to now.
    async fn hear(&mut self) -> Vec<(Key, Change)> {
        self.try_hear().await.unwrap()
    }

    async fn try_hear(&mut self) -> Result<Vec<(Key, Change)>, Error> {
        self.echo().await;
        let mut changes = Vec::new();
        while self.heard < self.sent {
            match self.next().await? {
                Event::Changed(key, change) => changes.push((key, change)),
                Event::Echo(number) => self.count(number),
                Event::Nudge => {}
                Event::Unintelligible => self.unintelligible += 1,
            }
        }
        Ok(changes)
    }

    /// Those that come, after some that were refused and may have come all the same.
    async fn catch_up(&mut self) {
        while self.heard < self.sent {
            match self.next().await.unwrap() {
                Event::Echo(number) => self.heard = number,
                Event::Changed(..) | Event::Nudge | Event::Unintelligible => {}
            }
        }
    }

    fn count(&mut self, number: u64) {
        self.heard += 1;
        assert_eq!(number, self.heard, "an echo is missing, or somebody else's");
    }

    /// Everything up to the end.
    async fn end(&mut self) -> (Vec<Event>, Error) {
        let mut events = Vec::new();
        loop {
            match self.next().await {
                Ok(event) => events.push(event),
                Err(error) => return (events, error),
            }
        }
    }

    async fn next(&mut self) -> Result<Event, Error> {
        let next = timeout(Duration::from_secs(30), self.subscription.next()).await;
        next.expect("an event, or the end")
    }
}

/// Returns when the first Sentinel names another master. On a busy machine it may give up on the
/// first try, for not having heard of the replica for a second.
async fn fail_over(sentinel: &Sentinel) {
    let first = &sentinel.sentinels()[0];
    let before = sentinel.primary().port().to_string();
    eventually("the Sentinel to name another master", async || {
        let master: HashMap<String, String> =
            first.query(&["SENTINEL", "MASTER", sentinel.master()]).await.unwrap();
        let is_over = master["port"] != before;
        if !is_over && !master["flags"].contains("failover_in_progress") {
            // Refused while it is not sure of the replica.
            let _: RedisResult<Value> =
                first.query(&["SENTINEL", "FAILOVER", sentinel.master()]).await;
        }
        is_over
    })
    .await;
}

async fn cluster_slot(cluster: &Cluster, name: &str) -> u16 {
    cluster.primaries()[0].query(&["CLUSTER", "KEYSLOT", name]).await.unwrap()
}

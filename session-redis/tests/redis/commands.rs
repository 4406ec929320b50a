//! What operations cost: commands, and the round trips they take.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use session_core::{
    Consistency, Finished, Key, Load, Loaded, Record, Revision, Session, Sessions, Store as _,
    Subject, Timeouts, Touch, Touched,
};
use session_redis::RedisStore;
use session_testkit::servers::Redis;
use session_testkit::{ManualClock, sample};

use crate::fixture::{anonymous, builder, create, find, replaced, signed_in, store};

#[tokio::test]
async fn a_read_is_one_get() {
    let (redis, store) = warm().await;
    let (key, revision) = create(&store, &anonymous()).await;
    let mut meter = Meter::on(&redis).await;

    for consistency in [Consistency::Cached, Consistency::Strong, Consistency::Replica] {
        let load = Load::default().consistency(consistency);
        let cost = meter.cost(async || store.load(&key, load).await.unwrap()).await;
        assert_eq!(cost, "get 1; 1 round trip");
    }
    let missing = sample::key();
    let cost = meter.cost(async || store.load(&missing, Load::default()).await.unwrap()).await;
    assert_eq!(cost, "get 1; 1 round trip");

    let load = Load::default().known(revision);
    let cost = meter
        .cost(async || {
            let loaded = store.load(&key, load).await.unwrap();
            assert!(matches!(loaded, Loaded::Unchanged { .. }), "{loaded:?}");
        })
        .await;
    assert_eq!(cost, "evalsha 1; 1 round trip");
}

#[tokio::test]
async fn a_write_is_one_script() {
    let (redis, store) = warm().await;
    let mut meter = Meter::on(&redis).await;
    let (key, successor) = {
        let key = sample::key();
        (key, sample::key_beside(&key))
    };
    let record = anonymous();

    let cost = meter.cost(async || store.create(&key, &record).await.unwrap()).await;
    assert_eq!(cost, "evalsha 1; 1 round trip", "create");
    let revision = revision_of(&store, &key).await;
    let cost = meter.cost(async || replaced(store.replace(&key, &record, revision).await)).await;
    assert_eq!(cost, "evalsha 1; 1 round trip", "replace");
    let rotate = async || store.rotate(&key, &successor, &record, revision.next()).await;
    let cost = meter.cost(async || replaced(rotate().await)).await;
    assert_eq!(cost, "evalsha 1; 1 round trip", "rotate");
    let touch = [Touch { key: successor, idle_deadline: record.absolute_deadline }];
    let cost = meter.cost(async || store.touch(&touch).await.unwrap()).await;
    assert_eq!(cost, "evalsha 1; 1 round trip", "touch");
    let cost = meter.cost(async || store.delete(&successor).await.unwrap()).await;
    assert_eq!(cost, "evalsha 1; 1 round trip", "delete");

    for nothing in [
        meter.cost(async || store.touch(&[]).await.unwrap()).await,
        meter.cost(async || store.purge_expired(100).await.unwrap()).await,
        meter.cost(async || store.fence().await.unwrap()).await,
        meter.cost(async || store.flush().await.unwrap()).await,
    ] {
        assert_eq!(nothing, "0 round trips");
    }
}

#[tokio::test]
async fn a_hundred_touches_travel_together() {
    let (redis, store) = warm().await;
    let record = anonymous();
    let mut touches = Vec::new();
    for _ in 0..100 {
        let (key, _) = create(&store, &record).await;
        touches.push(Touch { key, idle_deadline: record.absolute_deadline });
    }
    let mut meter = Meter::on(&redis).await;
    let before = meter.read().await;
    let touched = store.touch(&touches).await.unwrap();
    let (commands, trips) = meter.read().await.since(&before);
    assert_eq!(touched, [Touched::Done; 100]);
    assert_eq!(commands, "evalsha 100");
    // They fill more than one buffer of the server's.
    assert!((1..=10).contains(&trips), "{trips} reads");
}

#[tokio::test]
async fn being_listed_under_a_subject_costs_one_script_more_and_only_when_something_changes() {
    let (redis, store) = warm().await;
    let mut meter = Meter::on(&redis).await;
    let (anna, berta) = (sample::subject(), sample::subject());
    let (key, record) = (sample::key(), signed_in(&anna));
    let cost = meter.cost(async || store.create(&key, &record).await.unwrap()).await;
    assert_eq!(cost, "evalsha 2; 2 round trips", "create");

    let mut revision = revision_of(&store, &key).await;
    let mut replace = async |record: &Record| {
        let cost =
            meter.cost(async || revision = replaced(store.replace(&key, record, revision).await));
        cost.await
    };
    assert_eq!(replace(&record).await, "evalsha 1; 1 round trip", "the same subject");
    let other = Record { subject: Some(berta), ..record.clone() };
    assert_eq!(replace(&other).await, "evalsha 3; 3 round trips", "another subject");
    let nobody = Record { subject: None, ..record.clone() };
    assert_eq!(replace(&nobody).await, "evalsha 1; 1 round trip", "nobody any more");
    assert_eq!(replace(&record).await, "evalsha 3; 3 round trips", "a first subject");
    let later = record.absolute_deadline.plus(Duration::from_secs(1));
    let longer = Record { absolute_deadline: later, ..record.clone() };
    assert_eq!(replace(&longer).await, "evalsha 3; 3 round trips", "a longer life");
    assert_eq!(replace(&longer).await, "evalsha 1; 1 round trip", "no longer than before");
    assert_eq!(replace(&record).await, "evalsha 1; 1 round trip", "a shorter life");

    let successor = sample::key_beside(&key);
    let rotate = async || store.rotate(&key, &successor, &record, revision).await;
    let cost = meter.cost(async || replaced(rotate().await)).await;
    assert_eq!(cost, "evalsha 2; 2 round trips", "rotate");
    let cost = meter.cost(async || store.delete(&successor).await.unwrap()).await;
    assert_eq!(cost, "evalsha 1; 1 round trip", "delete");
}

#[tokio::test]
async fn a_list_takes_two_round_trips_however_many_there_are() {
    let (redis, store) = warm().await;
    let subject = sample::subject();
    for _ in 0..20 {
        create(&store, &signed_in(&subject)).await;
    }
    let mut meter = Meter::on(&redis).await;
    let list = async || {
        let page = store.subjects().unwrap().list(&subject, None, 100).await.unwrap();
        assert_eq!(page.sessions.len(), 20);
    };
    assert_eq!(meter.cost(list).await, "get 20, zrangebylex 1; 2 round trips");
}

#[tokio::test]
async fn scripts_are_sent_again_to_a_server_that_has_forgotten_them() {
    let (redis, store) = warm().await;
    let mut meter = Meter::on(&redis).await;
    redis.command(&["SCRIPT", "FLUSH"]).await;
    let record = anonymous();
    let create = async || create(&store, &record).await;
    assert_eq!(meter.cost(create).await, "eval 1, evalsha 1; 2 round trips");
    assert_eq!(meter.cost(create).await, "evalsha 1; 1 round trip");
}

#[tokio::test]
async fn requests_cost_what_they_use() {
    let (redis, store) = warm().await;
    let sessions = Sessions::builder(store).build().unwrap();
    let mut meter = Meter::on(&redis).await;
    let mut visitor = Visitor::default();
    let mut cost = async |handle: Handler| {
        let visit = async || visitor.visit(&sessions, handle).await;
        meter.cost(visit).await
    };
    let touched = |_: &Session| ();
    let counted = |session: &Session| {
        session.update("visits", |visits| visits.unwrap_or(0_u64) + 1).unwrap();
    };

    assert_eq!(cost(None).await, "0 round trips", "no cookie, untouched");
    assert_eq!(cost(Some(&touched)).await, "0 round trips", "no cookie, looked at");
    assert_eq!(cost(Some(&counted)).await, "evalsha 1; 1 round trip", "a new session");
    assert_eq!(cost(None).await, "0 round trips", "untouched");
    assert_eq!(cost(Some(&touched)).await, "get 1; 1 round trip", "read");
    let read_twice = |session: &Session| {
        assert_eq!(session.get::<u64>("visits").unwrap(), Some(1));
        assert_eq!(session.get::<u64>("visits").unwrap(), Some(1));
    };
    assert_eq!(cost(Some(&read_twice)).await, "get 1; 1 round trip", "read twice");
    assert_eq!(cost(Some(&counted)).await, "evalsha 1, get 1; 2 round trips", "written");
    let twice = |session: &Session| {
        counted(session);
        counted(session);
    };
    assert_eq!(cost(Some(&twice)).await, "evalsha 1, get 1; 2 round trips", "written twice");
    let log_in = |session: &Session| session.log_in(Subject::new("anna").unwrap());
    assert_eq!(cost(Some(&log_in)).await, "evalsha 2, get 1; 3 round trips", "a log-in");
    assert_eq!(cost(Some(&counted)).await, "evalsha 1, get 1; 2 round trips", "signed in");
    let log_out = |session: &Session| session.destroy();
    assert_eq!(cost(Some(&log_out)).await, "evalsha 1, get 1; 2 round trips", "a log-out");
}

#[tokio::test]
async fn use_is_recorded_once_per_touch_interval() {
    let redis = Redis::start().await;
    let clock = ManualClock::default();
    let store = builder(&redis).clock(Arc::new(clock.clone())).build().unwrap();
    let idle = Duration::from_secs(1_000);
    let sessions = Sessions::builder(store)
        .clock(Arc::new(clock.clone()))
        .timeouts(Timeouts::new(idle, idle * 100).unwrap())
        .touch_after(0.1)
        .build()
        .unwrap();
    let mut visitor = Visitor::default();
    visitor.visit(&sessions, Some(&|session| session.insert("a", &1).unwrap())).await;
    // The first touch tells the server the script.
    clock.advance(idle / 10);
    visitor.visit(&sessions, Some(&|_| ())).await;

    let mut meter = Meter::on(&redis).await;
    for _ in 0..3 {
        for _ in 0..9 {
            clock.advance(idle / 100);
            let read = async || visitor.visit(&sessions, Some(&|_| ())).await;
            assert_eq!(meter.cost(read).await, "get 1; 1 round trip");
        }
        clock.advance(idle / 100);
        let read = async || visitor.visit(&sessions, Some(&|_| ())).await;
        assert_eq!(meter.cost(read).await, "evalsha 1, get 1; 2 round trips");
    }
}

/// A server that knows every script, and a store that is connected to it.
async fn warm() -> (Redis, RedisStore) {
    let redis = Redis::start().await;
    let store = store(&redis);
    let record = signed_in(&sample::subject());
    let (key, revision) = create(&store, &record).await;
    let known = Load::default().known(revision);
    let _ = store.load(&key, known).await.unwrap();
    let revision = replaced(store.replace(&key, &record, revision).await);
    let successor = sample::key_beside(&key);
    replaced(store.rotate(&key, &successor, &record, revision).await);
    let touch = Touch { key: successor, idle_deadline: record.absolute_deadline };
    store.touch(&[touch]).await.unwrap();
    store.delete(&successor).await.unwrap();
    (redis, store)
}

async fn revision_of(store: &RedisStore, key: &Key) -> Revision {
    find(store, key).await.unwrap().revision
}

/// What a handler does with the session, if it asks for it.
type Handler<'a> = Option<&'a (dyn Fn(&Session) + Sync)>;

/// A browser with one cookie.
#[derive(Default)]
struct Visitor {
    cookie: Option<String>,
}

impl Visitor {
    async fn visit(&mut self, sessions: &Sessions, handle: Handler<'_>) {
        let lazy = sessions.open(self.cookie.iter().map(String::as_bytes));
        if let Some(handle) = handle {
            handle(&lazy.load().await.unwrap());
        }
        let Finished { header, error, .. } = lazy.finish(false).await;
        assert!(error.is_none(), "{error:?}");
        if let Some(set_cookie) = header {
            self.cookie = set_cookie.split(';').next().map(str::to_owned);
        }
    }
}

/// Reads off what a server has been asked to do, on a connection that is open already.
struct Meter(MultiplexedConnection);

/// Calls of every command, and how often the server has read from a connection.
struct Reading {
    calls: BTreeMap<String, u64>,
    reads: u64,
}

impl Meter {
    async fn on(redis: &Redis) -> Self {
        Self(redis.connection().await)
    }

    /// What something costs, as text.
    async fn cost<T>(&mut self, something: impl AsyncFnOnce() -> T) -> String {
        let before = self.read().await;
        something().await;
        match self.read().await.since(&before) {
            (commands, 0) if commands.is_empty() => "0 round trips".to_owned(),
            (commands, 1) => format!("{commands}; 1 round trip"),
            (commands, trips) => format!("{commands}; {trips} round trips"),
        }
    }

    async fn read(&mut self) -> Reading {
        let info: String = redis::cmd("INFO")
            .arg(&["stats", "commandstats"])
            .query_async(&mut self.0)
            .await
            .unwrap();
        let calls = info.lines().filter_map(|line| {
            let (name, fields) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            Some((name.to_owned(), fields.split_once(',')?.0.parse().unwrap()))
        });
        let reads = info.lines().find_map(|line| line.strip_prefix("total_reads_processed:"));
        Reading { calls: calls.collect(), reads: reads.unwrap().parse().unwrap() }
    }
}

/// What is done within scripts, and by nobody else here.
const WITHIN: [&str; 11] = [
    "del", "exists", "getrange", "pexpire", "pttl", "publish", "set", "setrange", "time", "zadd",
    "zrem",
];

/// What takes the entry of a session that has ended out of its subject's index. Nobody waits for it,
/// so it may come at any time.
const BEHIND: &str = "zremrangebylex";

impl Reading {
    /// The commands that clients have sent since then, and in how many goes.
    fn since(&self, before: &Self) -> (String, u64) {
        let calls = |name| {
            let of = |reading: &Self| reading.calls.get(name).copied().unwrap_or_default();
            of(self) - of(before)
        };
        let sent = self.calls.keys().map(String::as_str).filter(|name| {
            // That of the meter itself.
            !["info", BEHIND].contains(name) && !WITHIN.contains(name)
        });
        let sent = sent.map(|name| (name, calls(name))).filter(|(_, calls)| *calls > 0);
        let commands: Vec<String> = sent.map(|(name, calls)| format!("{name} {calls}")).collect();
        (commands.join(", "), self.reads - before.reads - 1 - calls(BEHIND))
    }
}

//! Sessions by who is signed in: what is in an index, and what is made of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value};
use session_core::{
    Clock as _, Created, ErrorKind, Key, Partition, Record, Sessions, Store as _, Subject,
    SystemClock, Touch,
};
use session_redis::{RedisStore, Topology};
use session_testkit::proxy::{Fault, Proxy};
use session_testkit::servers::{Cluster, Redis};
use session_testkit::{ManualClock, sample};
use sha2::{Digest as _, Sha256};

use crate::fixture::{
    NAMESPACE, TIMEOUT, anonymous, builder, create, eventually, find, name_of, replaced, signed_in,
    store,
};

#[tokio::test]
async fn a_create_without_room_leaves_no_session() {
    let redis = Redis::builder().config("maxmemory-policy", "noeviction").start().await;
    let store = store(&redis);
    let subject = sample::subject();
    let (there, _) = create(&store, &signed_in(&subject)).await;
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let key = sample::key();
    let error = store.create(&key, &signed_in(&subject)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    assert!(find(&store, &key).await.is_none());
    assert_eq!(listed(&store, &subject, 10).await, [there]);
    // To log out makes room.
    assert!(store.delete(&there).await.unwrap());
}

/// Shown by a user who may write indexes but no sessions, and one who may do the reverse.
#[tokio::test]
async fn an_entry_is_written_before_its_session() {
    let redis = Redis::builder()
        .acl("user indexes on >secret &* +@all ~shop:subject:*")
        .acl("user sessions on >secret &* +@all ~shop:{*")
        .start()
        .await;
    let store_of = |user| builder(&redis).credentials(Some(user), "secret").build().unwrap();
    let everybody = store(&redis);
    let mut index = Index::of(&redis, &sample::subject()).await;

    let key = sample::key();
    let error = store_of("sessions").create(&key, &signed_in(&index.subject)).await.unwrap_err();
    assert_eq!(error.context("code"), Some("NOPERM"), "{error}");
    assert!(find(&everybody, &key).await.is_none(), "a session that is not listed");

    let error = store_of("indexes").create(&key, &signed_in(&index.subject)).await.unwrap_err();
    assert_eq!(error.context("code"), Some("NOPERM"), "{error}");
    assert_eq!(index.entries().await.len(), 1, "an entry without a session does no harm");
    assert!(find(&everybody, &key).await.is_none());
    assert_eq!(listed(&everybody, &index.subject, 10).await, []);

    // The same for a session that gets a subject later on, and one that moves.
    let (key, revision) = create(&everybody, &anonymous()).await;
    let record = signed_in(&index.subject);
    for user in ["sessions", "indexes"] {
        let store = store_of(user);
        let error = store.replace(&key, &record, revision).await.unwrap_err();
        assert_eq!(error.context("code"), Some("NOPERM"), "{user}: {error}");
        let successor = sample::key_beside(&key);
        let error = store.rotate(&key, &successor, &record, revision).await.unwrap_err();
        assert_eq!(error.context("code"), Some("NOPERM"), "{user}: {error}");
        assert!(find(&everybody, &successor).await.is_none(), "{user}");
        assert!(find(&everybody, &key).await.unwrap().subject.is_none(), "{user}");
    }
}

#[tokio::test]
async fn an_entry_without_a_session_is_removed_when_none_can_follow() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let mut index = Index::of(&redis, &sample::subject()).await;
    let (alive, _) = create(&store, &signed_in(&index.subject)).await;
    let (others, _) = create(&store, &signed_in(&sample::subject())).await;
    let (nobodys, _) = create(&store, &anonymous()).await;
    let fresh = index.entries().await;
    let seconds = Duration::from_secs;
    let mut expected: BTreeSet<Vec<u8>> = fresh.into_iter().collect();
    for key in [sample::key(), others, nobodys] {
        // A minute in which a session may be written, and one by which clocks may differ.
        for age in [seconds(0), seconds(60), seconds(110)] {
            expected.insert(index.add(&key, age).await);
        }
        for age in [seconds(125), seconds(100_000)] {
            index.add(&key, age).await;
        }
    }
    // However old, this one leads somewhere.
    expected.insert(index.add(&alive, seconds(100_000)).await);

    assert_eq!(listed(&store, &index.subject, 100).await, [alive]);
    assert_eq!(index.entries().await.into_iter().collect::<BTreeSet<_>>(), expected);
    // The last step of a log-out everywhere.
    store.delete(&alive).await.unwrap();
    assert_eq!(listed(&store, &index.subject, 100).await, []);
    expected.retain(|entry| !entry.starts_with(&entry_key(&alive)));
    eventually("its entries to go, which nobody waits for", async || {
        index.entries().await.into_iter().collect::<BTreeSet<_>>() == expected
    })
    .await;
}

#[tokio::test]
async fn a_session_that_is_over_for_one_node_alone_stays_listed_for_the_others() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let ahead = ManualClock::new(SystemClock.now().plus(Duration::from_secs(24 * 3_600)));
    let ahead = builder(&redis).clock(Arc::new(ahead)).build().unwrap();
    let mut index = Index::of(&redis, &sample::subject()).await;
    let (key, _) = create(&store, &signed_in(&index.subject)).await;
    index.make_old().await;
    assert_eq!(listed(&ahead, &index.subject, 10).await, []);
    assert_eq!(listed(&store, &index.subject, 10).await, [key]);
}

#[tokio::test]
async fn a_session_that_only_a_newer_version_can_read_stays_listed() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let mut index = Index::of(&redis, &sample::subject()).await;
    let (key, _) = create(&store, &signed_in(&index.subject)).await;
    index.make_old().await;
    let name = name_of(&key);
    redis.command(&["SETRANGE", &name, "1", "\u{2}"]).await;
    // Whoever wants to end all of somebody's sessions must not be told that there is none.
    let error = store.subjects().unwrap().list(&index.subject, None, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    redis.command(&["SETRANGE", &name, "1", "\u{1}"]).await;
    assert_eq!(listed(&store, &index.subject, 10).await, [key]);
}

#[tokio::test]
async fn a_session_that_is_listed_several_times_is_seen_once() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let mut index = Index::of(&redis, &sample::subject()).await;
    let mut keys = Vec::new();
    for _ in 0..10 {
        let (key, _) = create(&store, &signed_in(&index.subject)).await;
        for age in 1..=5 {
            index.add(&key, Duration::from_secs(age)).await;
        }
        keys.push(key);
    }
    keys.sort();
    for limit in [1, 2, 3, 7, 10, 11, 1_000] {
        assert_eq!(listed(&store, &index.subject, limit).await, keys, "pages of {limit}");
    }
}

#[tokio::test]
async fn garbage_in_an_index_hides_nothing_and_stops_nothing() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let mut index = Index::of(&redis, &sample::subject()).await;
    for length in (0..40).chain([41, 100, 10_000]) {
        for byte in [0, b'{', 0xff] {
            index.add_raw(&vec![byte; length]).await;
        }
    }
    // In front of everything else, and more of it than is read at a time.
    for number in 0..2_000_u32 {
        index.add_raw(&[&[0; 4], number.to_be_bytes().as_slice()].concat()).await;
    }
    let old = index.add(&sample::key(), Duration::from_secs(1_000)).await;
    let mut keys = Vec::new();
    for _ in 0..10 {
        keys.push(create(&store, &signed_in(&index.subject)).await.0);
    }
    keys.sort();
    for limit in [1, 3, 10, 600] {
        assert_eq!(listed(&store, &index.subject, limit).await, keys, "pages of {limit}");
    }
    assert!(!index.entries().await.contains(&old), "garbage beside it kept it alive");
}

#[tokio::test]
async fn an_index_of_another_type_is_an_error_and_no_empty_list() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let subject = sample::subject();
    let index = Index::of(&redis, &subject).await;
    redis.command(&["SET", &index.name, "foreign"]).await;
    let error = store.subjects().unwrap().list(&subject, None, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let key = sample::key();
    let error = store.create(&key, &signed_in(&subject)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(find(&store, &key).await.is_none());
    let sessions = Sessions::builder(store).build().unwrap();
    assert!(sessions.revoke_all(&subject).await.is_err(), "nobody was logged out");
}

#[tokio::test]
async fn a_write_long_after_its_entry_is_refused() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let mut connection = redis.connection().await;
    let subject = sample::subject();
    let (template, _) = create(&store, &signed_in(&subject)).await;
    let value: Vec<u8> = redis.query(&["GET", &name_of(&template)]).await.unwrap();
    let block = [&[subject.as_str().len() as u8], subject.as_str().as_bytes()].concat();
    let now = SystemClock.now().as_millis().to_string();
    let expected = 1_u64.to_be_bytes();
    let (key, _) = create(&store, &anonymous()).await;
    let before: Vec<u8> = redis.query(&["GET", &name_of(&key)]).await.unwrap();
    let (fresh, successor) = (sample::key(), sample::key_beside(&key));

    let mut write = async |script: &str, keys: &[&Key], arguments: &[&[u8]]| {
        let mut command = redis::cmd("EVAL");
        let names: Vec<String> = keys.iter().map(|key| name_of(key)).collect();
        command.arg(script).arg(names.len()).arg(names).arg(arguments);
        command.query_async::<Value>(&mut connection).await
    };
    let mut all = async |late: &str| {
        let late = late.as_bytes();
        let (now, ttl) = (now.as_bytes(), b"60000".as_slice());
        let announced: [&[u8]; 2] = [b"", b""];
        let created =
            write(CREATE, &[&fresh], &[now, &value, ttl, announced[0], announced[1], late]).await;
        let arguments = [now, &expected, &value, ttl, b"", b"", &block, late];
        let replaced = write(REPLACE, &[&key], &arguments).await;
        let arguments = [now, &expected, &value, ttl, b"", b"", b"", late];
        let rotated = write(ROTATE, &[&key, &successor], &arguments).await;
        [created, replaced, rotated]
    };

    let deadline = SystemClock.now().as_millis() - 1;
    for answer in all(&deadline.to_string()).await {
        assert_eq!(answer.unwrap_err().code(), Some("LATE"));
    }
    assert!(find(&store, &fresh).await.is_none());
    assert!(find(&store, &successor).await.is_none());
    let after: Vec<u8> = redis.query(&["GET", &name_of(&key)]).await.unwrap();
    assert_eq!(after, before);

    // In time, they are written.
    let answers = all(&(deadline + 60_000).to_string()).await;
    assert_eq!(answers.map(RedisResult::unwrap), [const { Value::Int(1) }; 3]);
    assert!(find(&store, &fresh).await.is_some());
    assert!(find(&store, &successor).await.is_some());
}

const CREATE: &str = include_str!("../../src/scripts/create.lua");
const REPLACE: &str = include_str!("../../src/scripts/replace.lua");
const ROTATE: &str = include_str!("../../src/scripts/rotate.lua");

#[tokio::test]
async fn an_index_lives_as_long_as_its_longest_session() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let index = Index::of(&redis, &sample::subject()).await;
    let hour = Duration::from_secs(3_600);
    let living = |hours: u32| {
        let absolute_deadline = SystemClock.now().plus(hour * hours);
        Record { absolute_deadline, ..signed_in(&index.subject) }
    };
    // What is left of it, in hours, when nothing takes minutes.
    let ttl = async || {
        let ttl: u64 = redis.query(&["PTTL", &index.name]).await.unwrap();
        ttl as f64 / hour.as_millis() as f64
    };
    // A day longer than the session, by which clocks may differ.
    let is_about = |ttl: f64, hours: f64| (hours + 23.9..=hours + 24.0).contains(&ttl);

    create(&store, &living(12)).await;
    assert!(is_about(ttl().await, 12.0), "{} hours", ttl().await);
    create(&store, &living(2)).await;
    assert!(is_about(ttl().await, 12.0), "shortened to {} hours", ttl().await);
    let (key, revision) = create(&store, &living(20)).await;
    assert!(is_about(ttl().await, 20.0), "{} hours", ttl().await);
    let revision = replaced(store.replace(&key, &living(30), revision).await);
    assert!(is_about(ttl().await, 30.0), "{} hours after a replace", ttl().await);
    let revision = replaced(store.replace(&key, &living(3), revision).await);
    assert!(is_about(ttl().await, 30.0), "shortened to {} hours by a replace", ttl().await);
    let successor = sample::key_beside(&key);
    let revision = replaced(store.rotate(&key, &successor, &living(40), revision).await);
    assert!(is_about(ttl().await, 40.0), "{} hours after a rotation", ttl().await);
    let touch = Touch { key: successor, idle_deadline: SystemClock.now().plus(hour * 50) };
    store.touch(&[touch]).await.unwrap();
    replaced(store.replace(&successor, &living(40), revision).await);
    assert!(is_about(ttl().await, 40.0), "{} hours in the end", ttl().await);
}

#[tokio::test]
async fn a_thousand_sessions_are_each_seen_once() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let (subject, other) = (sample::subject(), sample::subject());
    let mut keys = Vec::new();
    for _ in 0..10 {
        let records = [signed_in(&subject), signed_in(&other)];
        let created = join_all((0..100).map(|_| create(&store, &records[0])));
        keys.extend(created.await.into_iter().map(|(key, _)| key));
        create(&store, &records[1]).await;
    }
    keys.sort();
    assert_eq!(listed(&store, &subject, 7).await, keys);
    assert_eq!(listed(&store, &other, 7).await.len(), 10);
}

#[tokio::test]
async fn subjects_of_any_name_are_told_apart() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let mut names: Vec<String> = [
        "a",
        "A",
        " a",
        "a ",
        "aa",
        "{a}",
        "{a",
        "a}",
        "{}",
        "a:b",
        "a:{b}:c",
        "*",
        "a*",
        "?",
        "[a]",
        "shop:subject:{a}",
        "ä",
        "a\u{308}",
        "\u{1F511}",
        "ゞ",
        "\u{202e}a",
    ]
    .map(str::to_owned)
    .to_vec();
    names.extend(["a".repeat(254), "a".repeat(255), "ゞ".repeat(85), "{".repeat(255)]);
    let subjects: Vec<Subject> = names.iter().map(|name| Subject::new(name).unwrap()).collect();
    let mut keys = Vec::new();
    for subject in &subjects {
        keys.push(create(&store, &signed_in(subject)).await.0);
    }
    for (subject, key) in subjects.iter().zip(&keys) {
        assert_eq!(listed(&store, subject, 10).await, [*key], "{subject:?}");
    }
    let all: Vec<Vec<u8>> = redis.query(&["KEYS", "*"]).await.unwrap();
    for name in all.iter().filter(|name| name.starts_with(b"shop:subject:")) {
        assert_eq!(name.len(), "shop:subject:{}".len() + 43, "it is a digest");
    }
    assert_eq!(all.len(), 2 * subjects.len());
}

#[tokio::test]
async fn in_a_cluster_the_sessions_of_a_subject_are_found_on_all_primaries() {
    let cluster = Cluster::builder().without_replicas().start().await;
    let store = store(&cluster);
    let (subject, other) = (sample::subject(), sample::subject());
    let record = signed_in(&subject);
    let created = join_all((0..60).map(|_| create(&store, &record))).await;
    let (kept, _) = create(&store, &signed_in(&other)).await;
    let mut keys: Vec<Key> = created.into_iter().map(|(key, _)| key).collect();
    keys.sort();
    for primary in cluster.primaries() {
        let there: Vec<String> = primary.query(&["KEYS", "shop:{*"]).await.unwrap();
        assert!(!there.is_empty(), "all sessions are on the other primaries");
    }
    for limit in [7, 100] {
        assert_eq!(listed(&store, &subject, limit).await, keys);
    }

    let sessions = Sessions::builder(store.clone()).build().unwrap();
    assert_eq!(sessions.revoke_all(&subject).await.unwrap(), keys.len());
    assert_eq!(listed(&store, &subject, 100).await, []);
    for key in keys {
        assert!(find(&store, &key).await.is_none());
    }
    assert_eq!(listed(&store, &other, 100).await, [kept]);
}

#[tokio::test]
async fn a_session_that_is_not_created_because_it_is_there_stays_listed_once() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let (anna, berta) = (sample::subject(), sample::subject());
    let (key, _) = create(&store, &signed_in(&anna)).await;
    assert_eq!(store.create(&key, &signed_in(&berta)).await.unwrap(), Created::Duplicate);
    assert_eq!(store.create(&key, &signed_in(&anna)).await.unwrap(), Created::Duplicate);
    assert_eq!(listed(&store, &anna, 1).await, [key]);
    assert_eq!(listed(&store, &berta, 1).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_moves_while_it_is_listed_is_not_missed() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.address()).await;
    let mover = store(&redis);
    let far = Topology::single(&format!("redis://{}/", proxy.address())).unwrap();
    let lister = RedisStore::builder(far).namespace(NAMESPACE).timeout(TIMEOUT).build().unwrap();
    proxy.set(Fault::Delay(Duration::from_millis(3))).await;
    let mut met = 0;
    for round in 0..60_u64 {
        let subject = sample::subject();
        let (key, revision) = create(&mover, &signed_in(&subject)).await;
        let successor = sample::key_beside(&key);
        let moving = async {
            // Somewhere on the way of the list: its first answer comes after some 6 ms.
            tokio::time::sleep(Duration::from_micros(round * 250)).await;
            let record = signed_in(&subject);
            replaced(mover.rotate(&key, &successor, &record, revision).await);
        };
        let (listed, ()) = tokio::join!(listed(&lister, &subject, 10), moving);
        assert!(listed == [key] || listed == [successor], "round {round}: {listed:?}");
        met += usize::from(listed == [successor]);
    }
    assert!(met > 0, "not once did the session move before it was looked for");
}

/// All sessions of a subject, in pages.
async fn listed(store: &RedisStore, subject: &Subject, limit: usize) -> Vec<Key> {
    let walk = async {
        let mut keys = Vec::new();
        let mut after = None;
        loop {
            let page = store.subjects().unwrap().list(subject, after.as_ref(), limit).await;
            let page = page.unwrap();
            assert!(page.sessions.len() <= limit);
            for (key, record) in &page.sessions {
                assert_eq!(record.subject.as_ref(), Some(subject));
                keys.push(*key);
            }
            after = page.next;
            if after.is_none() {
                return keys;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), walk).await.expect("a walk that ends")
}

/// An index as it lies on the server.
struct Index {
    subject: Subject,
    name: String,
    connection: MultiplexedConnection,
}

impl Index {
    async fn of(redis: &Redis, subject: &Subject) -> Self {
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(subject.as_str()));
        let name = format!("{NAMESPACE}:subject:{{{digest}}}");
        Self { subject: subject.clone(), name, connection: redis.connection().await }
    }

    async fn entries(&mut self) -> Vec<Vec<u8>> {
        let mut command = redis::cmd("ZRANGE");
        command.arg(&self.name).arg(0).arg(-1);
        command.query_async(&mut self.connection).await.unwrap()
    }

    /// An entry that was made some time ago.
    async fn add(&mut self, key: &Key, age: Duration) -> Vec<u8> {
        let made_at = SystemClock.now().minus(age).as_millis().to_be_bytes();
        let entry = [entry_key(key).as_slice(), &made_at[2..]].concat();
        self.add_raw(&entry).await;
        entry
    }

    /// Has all entries look as if they were made an hour ago.
    async fn make_old(&mut self) {
        for entry in self.entries().await {
            let key = key_of_entry(&entry);
            self.add(&key, Duration::from_secs(3_600)).await;
            let mut command = redis::cmd("ZREM");
            command.arg(&self.name).arg(entry);
            let () = command.query_async(&mut self.connection).await.unwrap();
        }
    }

    async fn add_raw(&mut self, entry: &[u8]) {
        let mut command = redis::cmd("ZADD");
        command.arg(&self.name).arg(0).arg(entry);
        let () = command.query_async(&mut self.connection).await.unwrap();
    }
}

fn entry_key(key: &Key) -> Vec<u8> {
    [key.partition().as_bytes().as_slice(), key.digest()].concat()
}

fn key_of_entry(entry: &[u8]) -> Key {
    let (partition, digest) = (entry[..2].try_into().unwrap(), entry[2..34].try_into().unwrap());
    Key::from_parts(Partition::new(partition), digest)
}

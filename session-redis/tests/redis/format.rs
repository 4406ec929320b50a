//! What lies under a session's key and is none, or not what it was.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use session_core::{
    Clock as _, Created, Device, Error, ErrorKind, Key, Load, Loaded, Record, Replaced, Revision,
    Sessions, Store as _, SystemClock, Timeouts, Timestamp, Token, Touch, Touched,
};
use session_redis::RedisStore;
use session_testkit::servers::Redis;
use session_testkit::{ManualClock, sample};

use crate::fixture::{anonymous, builder, create, find, name_of, replaced, signed_in, store};

/// Where the deadlines are in a value, and where a payload begins if there is nothing to tell.
const IDLE: std::ops::Range<usize> = 12..20;
const ABSOLUTE: std::ops::Range<usize> = 20..28;
const FIXED: usize = 38;

#[tokio::test]
async fn who_comes_with_the_cookie_of_a_foreign_value_signs_in_again() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let sessions = Sessions::builder(store.clone()).build().unwrap();
    let mut raw = Raw::on(&redis).await;
    for (what, command, arguments) in foreign_values() {
        let lazy = sessions.open([]);
        lazy.load().await.unwrap().insert("name", &"Ada").unwrap();
        let header = lazy.finish(false).await.header.unwrap();
        let cookie = header.split("; ").next().unwrap();
        let token = Token::parse(cookie.split_once('=').unwrap().1.as_bytes()).unwrap();
        let key = Key::of(&token, sessions.namespace());
        raw.delete(&key).await;
        raw.put(&key, command, &arguments).await;

        let lazy = sessions.open([cookie.as_bytes()]);
        let session = lazy.load().await.unwrap();
        assert!(!session.exists() && session.is_empty(), "{what}");
        let finished = lazy.finish(false).await;
        assert!(finished.error.is_none(), "{what}");
        assert!(finished.header.unwrap().contains("Max-Age=0"), "{what}: the cookie goes");
    }
}

#[tokio::test]
async fn a_foreign_value_is_corrupt_and_stays_as_it_is() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let mut raw = Raw::on(&redis).await;
    for (what, command, arguments) in foreign_values() {
        let (key, revision) = create(&store, &anonymous()).await;
        raw.delete(&key).await;
        raw.put(&key, command, &arguments).await;
        let before = raw.dump(&key).await;

        let load = store.load(&key, Load::default()).await;
        assert_corrupt(what, "load", load);
        let load = store.load(&key, Load::default().known(revision)).await;
        assert_corrupt(what, "load what is newer", load);
        let record = anonymous();
        assert_corrupt(what, "replace", store.replace(&key, &record, revision).await);
        let successor = sample::key_beside(&key);
        assert_corrupt(what, "rotate", store.rotate(&key, &successor, &record, revision).await);
        assert!(find(&store, &successor).await.is_none(), "{what}");
        let touch = Touch { key, idle_deadline: record.absolute_deadline };
        assert_corrupt(what, "touch", store.touch(&[touch]).await);
        match store.create(&key, &record).await {
            Ok(Created::Duplicate) => {}
            Err(error) if error.kind() == ErrorKind::Corrupt => {}
            other => panic!("{what}: create: {other:?}"),
        }
        // A session cannot move there, either.
        let from = sample::key_beside(&key);
        assert_eq!(store.create(&from, &record).await.unwrap(), Created::Created(revision));
        let error = store.rotate(&from, &key, &record, revision).await.unwrap_err();
        let refused = [ErrorKind::Misuse, ErrorKind::Corrupt];
        assert!(refused.contains(&error.kind()), "{what}: {error}");
        assert!(find(&store, &from).await.is_some(), "{what}");

        assert_eq!(raw.dump(&key).await, before, "{what}");
        store.delete(&key).await.unwrap();
        assert!(find(&store, &key).await.is_none(), "{what}");
        assert!(raw.get(&key).await.is_none(), "{what}");
    }
}

#[tokio::test]
async fn one_foreign_value_among_many_touches_does_not_hide_that_it_is_there() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let record = anonymous();
    let (good, _) = create(&store, &record).await;
    let bad = sample::key();
    Raw::on(&redis).await.put(&bad, "SET", &[b"foreign".to_vec()]).await;
    let touch = |key| Touch { key, idle_deadline: record.absolute_deadline };
    assert_corrupt("a string", "touch", store.touch(&[touch(good), touch(bad)]).await);
    assert_eq!(store.touch(&[touch(good)]).await.unwrap(), [Touched::Done]);
}

#[tokio::test]
async fn a_value_that_is_cut_off_within_its_header_is_corrupt() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let mut raw = Raw::on(&redis).await;
    let record = full_record();
    let (key, revision) = create(&store, &record).await;
    let value = raw.get(&key).await.unwrap();
    let header = payload_at(&value);
    assert!(header > FIXED + 50, "there is something of everything");
    for length in 0..header {
        raw.put(&key, "SET", &[value[..length].to_vec()]).await;
        let what = format!("{length} of {header} bytes");
        assert_corrupt(&what, "load", store.load(&key, Load::default()).await);
        let load = Load::default().known(Revision::new(u64::MAX));
        assert_corrupt(&what, "load what is newer", store.load(&key, load).await);
        let page = store.subjects().unwrap().list(record.subject.as_ref().unwrap(), None, 10);
        assert!(page.await.unwrap().sessions.is_empty(), "{what}: it is listed");
        // What scripts look at ends here.
        if length < 37 {
            assert_corrupt(&what, "replace", store.replace(&key, &record, revision).await);
        }
        if length < 28 {
            let successor = sample::key_beside(&key);
            let rotated = store.rotate(&key, &successor, &anonymous(), revision).await;
            assert_corrupt(&what, "rotate", rotated);
            let touch = Touch { key, idle_deadline: record.absolute_deadline };
            assert_corrupt(&what, "touch", store.touch(&[touch]).await);
        }
        assert_eq!(raw.get(&key).await.unwrap(), &value[..length], "{what}");
    }
}

/// A flipped bit in a revision or a point in time makes another one. What counts is that nothing
/// moves: neither the payload nor what is read as something that it is not.
#[tokio::test]
async fn a_flipped_bit_never_moves_the_payload() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let mut raw = Raw::on(&redis).await;
    let record = full_record();
    let (key, _) = create(&store, &record).await;
    let value = raw.get(&key).await.unwrap();
    let mut corrupt = 0;
    for bit in 0..8 * payload_at(&value) {
        let mut flipped = value.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        raw.put(&key, "SET", &[flipped]).await;
        match store.load(&key, Load::default()).await {
            Ok(Loaded::Found { record: found, .. }) => {
                let differences = sample::differences(&found, &record);
                let is_revision = (4..12).contains(&(bit / 8));
                assert_eq!(differences.len(), usize::from(!is_revision), "{bit}: {differences:?}");
                assert!(!differences.contains(&"payload"), "{bit}");
            }
            Ok(Loaded::Absent) => assert!((IDLE.start..ABSOLUTE.end).contains(&(bit / 8)), "{bit}"),
            Ok(Loaded::Unchanged { .. }) => panic!("{bit}: nothing was known"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{bit}: {error}");
                corrupt += 1;
            }
        }
    }
    // Magic, version, length of the header, length of the subject at least.
    assert!(corrupt >= 8 * 5, "{corrupt}");
}

#[tokio::test]
async fn a_newer_format_is_told_from_garbage() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let mut raw = Raw::on(&redis).await;
    let (key, _) = create(&store, &anonymous()).await;
    let mut value = raw.get(&key).await.unwrap();
    value[1] += 1;
    raw.put(&key, "SET", &[value]).await;
    let error = store.load(&key, Load::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("newer version"), "{error}");
}

#[tokio::test]
async fn deadlines_count_even_if_the_server_would_keep_the_value() {
    let redis = Redis::start().await;
    let clock = ManualClock::new(SystemClock.now());
    let store = builder(&redis).clock(Arc::new(clock.clone())).build().unwrap();
    let mut raw = Raw::on(&redis).await;
    let record = sample::record_living(clock.now(), Duration::from_secs(60));
    let (key, revision) = create(&store, &record).await;
    redis.command(&["PERSIST", &name_of(&key)]).await;

    clock.advance(Duration::from_secs(60) - Duration::from_millis(1));
    assert!(find(&store, &key).await.is_some());
    clock.advance(Duration::from_millis(1));
    assert_dead(&store, &key, revision).await;
    assert!(raw.get(&key).await.is_some(), "nobody has touched it");
    assert!(!store.delete(&key).await.unwrap(), "it was dead already");
    assert!(raw.get(&key).await.is_none(), "but is gone now");
}

#[tokio::test]
async fn deadlines_in_the_past_are_over_and_make_way() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let mut raw = Raw::on(&redis).await;
    for deadline in [i64::MIN, -1, 0, 1, SystemClock.now().as_millis() - 1] {
        for field in [IDLE, ABSOLUTE] {
            let (key, revision) = create(&store, &anonymous()).await;
            let mut value = raw.get(&key).await.unwrap();
            value[field].copy_from_slice(&deadline.to_be_bytes());
            raw.put(&key, "SET", &[value.clone()]).await;
            assert_dead(&store, &key, revision).await;
            let record = anonymous();
            let created = store.create(&key, &record).await.unwrap();
            assert_eq!(created, Created::Created(revision), "{deadline}");
            let found = find(&store, &key).await.unwrap();
            assert!(sample::differences(&found, &record).is_empty());

            let successor = sample::key_beside(&key);
            raw.put(&successor, "SET", &[value]).await;
            let rotated = store.rotate(&key, &successor, &record, revision).await;
            assert_eq!(replaced(rotated), revision.next(), "{deadline}");
            let found = find(&store, &successor).await.unwrap();
            assert!(sample::differences(&found, &record).is_empty());
        }
    }
}

#[tokio::test]
async fn the_latest_deadlines_are_kept_exactly() {
    let redis = Redis::start().await;
    let store = store(&redis);
    let latest = Record {
        idle_deadline: Timestamp::MAX,
        absolute_deadline: Timestamp::MAX,
        ..signed_in(&sample::subject())
    };
    let (key, revision) = create(&store, &latest).await;
    let is_kept = async |key: &Key| {
        let found = find(&store, key).await.unwrap();
        assert!(sample::differences(&found, &latest).is_empty(), "{found:?}");
        let ttl: i64 = redis.query(&["PTTL", &name_of(key)]).await.unwrap();
        assert!(ttl > 99 * 365 * 24 * 3_600_000, "{ttl}");
    };
    is_kept(&key).await;
    let touch = Touch { key, idle_deadline: Timestamp::MAX };
    assert_eq!(store.touch(&[touch]).await.unwrap(), [Touched::Done]);
    is_kept(&key).await;
    let replaced = store.replace(&key, &latest, revision).await.unwrap();
    assert!(matches!(replaced, Replaced::Replaced(_)), "{replaced:?}");
    is_kept(&key).await;
    let successor = sample::key_beside(&key);
    let rotated = store.rotate(&key, &successor, &latest, revision.next()).await.unwrap();
    assert!(matches!(rotated, Replaced::Replaced(_)), "{rotated:?}");
    is_kept(&successor).await;
}

/// As the documentation of the format says it for programs in other languages.
#[tokio::test]
async fn a_json_payload_is_found_without_reading_the_rest_of_the_header() {
    let redis = Redis::start().await;
    let sessions = Sessions::builder(store(&redis)).build().unwrap();
    let lazy = sessions.open([]);
    let session = lazy.load().await.unwrap();
    session.insert("visits", &7).unwrap();
    session.set_device(Device::new().with_user_agent("Mozilla/5.0").with_address("192.0.2.1"));
    session.log_in(sample::subject());
    session.set_timeouts(Timeouts::AAL3);
    session.commit().await.unwrap();

    let names: Vec<String> = redis.query(&["KEYS", "*:{????}:*"]).await.unwrap();
    let [name] = names.as_slice() else { panic!("one session: {names:?}") };
    let value: Vec<u8> = redis.query(&["GET", name]).await.unwrap();
    let begin = usize::from(u16::from_be_bytes([value[2], value[3]]));
    assert_eq!(&value[begin..], br#"{"visits":7}"#);
    let number = |at: usize| i64::from_be_bytes(value[at..at + 8].try_into().unwrap());
    assert_eq!(number(4), 1, "the revision");
    assert_eq!(Some(number(12)), session.idle_deadline().map(Timestamp::as_millis));
    assert_eq!(Some(number(20)), session.absolute_deadline().map(Timestamp::as_millis));
}

/// Of every kind there is, and of those that other programs would write.
fn foreign_values() -> Vec<(&'static str, &'static str, Vec<Vec<u8>>)> {
    let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
    let string = |bytes: &[u8]| vec![bytes.to_vec()];
    vec![
        ("a list", "RPUSH", words(&["a", "b"])),
        ("a hash", "HSET", words(&["payload", "{}"])),
        ("a set", "SADD", words(&["a", "b"])),
        ("a sorted set", "ZADD", words(&["1", "a"])),
        ("a stream", "XADD", words(&["1-1", "field", "value"])),
        ("a bitmap", "SETBIT", words(&["1000", "1"])),
        ("a counter", "SET", words(&["42"])),
        ("an empty string", "SET", words(&[""])),
        ("JSON", "SET", words(&["{}"])),
        ("more JSON", "SET", words(&[r#"{"id":"0123456789abcdef","data":{"visits":1}}"#])),
        ("MessagePack", "SET", string(b"\x82\xa2id\xd9\x20\xc4\x10\x00\x01\x02\xa4data\x80")),
        ("a word that begins as a session does", "SET", words(&["Session"])),
        ("28 zeros", "SET", string(&[0; 28])),
        ("zeros", "SET", string(&[0; 64])),
        ("ones", "SET", string(&[0xff; 64])),
        ("a megabyte of S", "SET", string(&vec![b'S'; 1 << 20])),
        ("an older format", "SET", string(&[b"S\0".as_slice(), &[0; 64]].concat())),
        ("a newer format", "SET", string(&[b"S\x02".as_slice(), &[0xff; 64]].concat())),
    ]
}

/// A record with something in each column.
fn full_record() -> Record {
    let device = Device::new().with_user_agent("Mozilla/5.0").with_address("2001:db8::1");
    Record {
        device: Some(Arc::new(device)),
        timeouts: Some(Timeouts::AAL3),
        ..signed_in(&sample::subject())
    }
}

fn payload_at(value: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([value[2], value[3]]))
}

#[track_caller]
fn assert_corrupt<T: std::fmt::Debug>(what: &str, doing: &str, answer: Result<T, Error>) {
    match answer {
        Err(error) if error.kind() == ErrorKind::Corrupt => {}
        other => panic!("{what}: {doing}: {other:?}"),
    }
}

async fn assert_dead(store: &RedisStore, key: &Key, revision: Revision) {
    assert!(find(store, key).await.is_none());
    let known = store.load(key, Load::default().known(revision)).await.unwrap();
    assert!(matches!(known, Loaded::Absent), "{known:?}");
    let record = anonymous();
    let replaced = store.replace(key, &record, revision).await.unwrap();
    assert!(matches!(replaced, Replaced::Gone), "{replaced:?}");
    let rotated = store.rotate(key, &sample::key_beside(key), &record, revision).await.unwrap();
    assert!(matches!(rotated, Replaced::Gone), "{rotated:?}");
    let touch = Touch { key: *key, idle_deadline: record.absolute_deadline };
    assert_eq!(store.touch(&[touch]).await.unwrap(), [Touched::Gone]);
}

/// Reads and writes values past the store.
struct Raw(MultiplexedConnection);

impl Raw {
    async fn on(redis: &Redis) -> Self {
        Self(redis.connection().await)
    }

    async fn put(&mut self, key: &Key, command: &str, arguments: &[Vec<u8>]) {
        let mut command = redis::cmd(command);
        command.arg(name_of(key)).arg(arguments);
        let _: redis::Value = command.query_async(&mut self.0).await.unwrap();
    }

    async fn get(&mut self, key: &Key) -> Option<Vec<u8>> {
        redis::cmd("GET").arg(name_of(key)).query_async(&mut self.0).await.unwrap()
    }

    async fn delete(&mut self, key: &Key) {
        let () = redis::cmd("DEL").arg(name_of(key)).query_async(&mut self.0).await.unwrap();
    }

    /// All there is to know of what lies there: its form in a snapshot, and how long it lives.
    async fn dump(&mut self, key: &Key) -> (Vec<u8>, i64) {
        let mut both = redis::pipe();
        both.cmd("DUMP").arg(name_of(key)).cmd("PTTL").arg(name_of(key));
        both.query_async(&mut self.0).await.unwrap()
    }
}

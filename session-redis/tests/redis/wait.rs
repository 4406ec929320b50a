//! Log-ins, rotations and log-outs that replicas have to know of.

use std::time::{Duration, Instant};

use session_core::{Created, Error, ErrorKind, Key, Load, Store as _, Touch, Touched};
use session_redis::RedisStore;
use session_testkit::sample;
use session_testkit::servers::Redis;

use crate::fixture::{anonymous, builder, create, eventually, find, name_of, replaced, signed_in};

/// Far longer than a replica takes.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn what_was_acknowledged_is_on_the_replica() {
    let (primary, replica) = pair().await;
    let store = waiting(&primary, LONG);
    let has = async |key: Key| {
        let name = name_of(&key);
        replica.query::<bool>(&["EXISTS", &name]).await.unwrap()
    };
    for _ in 0..50 {
        let record = signed_in(&sample::subject());
        let (key, revision) = create(&store, &record).await;
        assert!(has(key).await, "a log-in");
        let successor = sample::key_beside(&key);
        replaced(store.rotate(&key, &successor, &record, revision).await);
        assert!(!has(key).await && has(successor).await, "a rotation");
        assert!(store.delete(&successor).await.unwrap());
        assert!(!has(successor).await, "a log-out");
    }
}

#[tokio::test]
async fn nothing_else_waits() {
    let (primary, _replica) = pair().await;
    let store = waiting(&primary, LONG);
    sign_in_and_out(&store).await;
    let before = primary.command_calls("wait").await;
    sign_in_and_out(&store).await;
    assert_eq!(primary.command_calls("wait").await, before + 3);

    use_anonymously(&store).await;
    let subject = sample::subject();
    let (key, revision) = create(&store, &anonymous()).await;
    replaced(store.replace(&key, &signed_in(&subject), revision).await);
    let page = store.subjects().unwrap().list(&subject, None, 10).await.unwrap();
    assert_eq!(page.sessions.len(), 1);
    assert_eq!(primary.command_calls("wait").await, before + 3);
}

#[tokio::test]
async fn without_a_replica_nobody_is_signed_in_or_out_and_everything_else_goes_on() {
    for gone in [Redis::pause, Redis::kill] {
        let (primary, replica) = pair().await;
        let record = signed_in(&sample::subject());
        let patient = waiting(&primary, LONG);
        sign_in_and_out(&patient).await;
        let (key, revision) = create(&patient, &record).await;
        let (other, _) = create(&patient, &record).await;
        let store = waiting(&primary, SHORT);
        gone(&replica);

        let fresh = sample::key();
        let start = Instant::now();
        assert_unconfirmed(start, store.create(&fresh, &record).await);
        let start = Instant::now();
        let successor = sample::key_beside(&key);
        assert_unconfirmed(start, store.rotate(&key, &successor, &record, revision).await);
        let start = Instant::now();
        assert_unconfirmed(start, store.delete(&other).await);
        // As the errors say, they may have been executed, and were.
        assert!(find(&store, &fresh).await.is_some());
        assert!(find(&store, &successor).await.is_some());
        assert!(find(&store, &other).await.is_none());

        use_anonymously(&store).await;
        if replica.pid().is_some() {
            replica.resume();
        } else {
            replica.restart().await;
        }
        eventually("the replica to be back", async || {
            store.create(&sample::key(), &record).await.is_ok()
        })
        .await;
    }
}

#[tokio::test]
async fn a_wait_in_progress_holds_up_nobody_else() {
    let (primary, replica) = pair().await;
    let store = waiting(&primary, LONG);
    // From now on the server knows the scripts.
    sign_in_and_out(&store).await;
    let (key, _) = create(&store, &signed_in(&sample::subject())).await;
    replica.pause();
    let blocked = async || primary.info("clients").await["blocked_clients"] == "1";
    let log_out = tokio::spawn({
        let store = store.clone();
        async move { store.delete(&key).await }
    });
    eventually("the log-out to wait", blocked).await;

    for _ in 0..50 {
        use_anonymously(&store).await;
    }
    assert!(blocked().await && !log_out.is_finished(), "it has held up the others");
    assert!(find(&store, &key).await.is_none(), "executed, and not yet confirmed");
    replica.resume();
    assert!(log_out.await.unwrap().unwrap());
}

/// A primary and a replica that is in step.
async fn pair() -> (Redis, Redis) {
    let primary = Redis::start().await;
    let address = format!("127.0.0.1 {}", primary.port());
    let replica = Redis::builder().config("replicaof", address).start().await;
    eventually("the replica to be in step", async || {
        let state = primary.info("replication").await;
        state.get("slave0").is_some_and(|replica| replica.contains("state=online"))
    })
    .await;
    (primary, replica)
}

fn waiting(primary: &Redis, patience: Duration) -> RedisStore {
    builder(primary).wait(1, patience).build().unwrap()
}

async fn sign_in_and_out(store: &RedisStore) {
    let record = signed_in(&sample::subject());
    let (key, revision) = create(store, &record).await;
    let successor = sample::key_beside(&key);
    replaced(store.rotate(&key, &successor, &record, revision).await);
    assert!(store.delete(&successor).await.unwrap());
}

/// A visitor who does not sign in.
async fn use_anonymously(store: &RedisStore) {
    let (key, record) = (sample::key(), anonymous());
    let Created::Created(revision) = store.create(&key, &record).await.unwrap() else {
        panic!("a key drawn at random is taken");
    };
    let revision = replaced(store.replace(&key, &record, revision).await);
    let touch = Touch { key, idle_deadline: record.absolute_deadline };
    assert_eq!(store.touch(&[touch]).await.unwrap(), [Touched::Done]);
    assert_eq!(find(store, &key).await.unwrap().revision, revision);
    let _ = store.load(&key, Load::default().known(revision)).await.unwrap();
}

#[track_caller]
fn assert_unconfirmed<T: std::fmt::Debug>(start: Instant, answer: Result<T, Error>) {
    let took = start.elapsed();
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotReplicated, "{error}");
    assert!(error.is_outcome_unknown());
    assert!(took >= SHORT, "{took:?}");
    assert!(took < SHORT + crate::fixture::TIMEOUT, "{took:?}");
}

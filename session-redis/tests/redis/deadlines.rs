//! However many round trips an operation takes, it has one deadline.

use std::time::Duration;

use session_core::{Error, ErrorKind, Store as _};
use session_redis::{RedisStore, Topology};
use session_testkit::proxy::{Fault, Proxy};
use session_testkit::sample;
use session_testkit::servers::{Redis, Stopwatch};

use crate::fixture::{NAMESPACE, anonymous, create, signed_in, store};

/// One way.
const DELAY: Duration = Duration::from_millis(400);
/// More than one round trip takes, and less than two.
const DEADLINE: Duration = Duration::from_millis(1_200);

#[tokio::test]
async fn operations_of_several_round_trips_end_in_time() {
    let redis = Redis::start().await;
    let near = store(&redis);
    let proxy = Proxy::start(redis.address()).await;
    let topology = Topology::single(&format!("redis://{}/", proxy.address())).unwrap();
    let far = RedisStore::builder(topology).namespace(NAMESPACE).timeout(DEADLINE);
    let far = far.build().unwrap();
    let subject = sample::subject();
    let record = signed_in(&subject);
    let (key, revision) = create(&near, &anonymous()).await;
    create(&near, &record).await;
    create(&far, &anonymous()).await;

    proxy.set(Fault::Delay(DELAY)).await;
    create(&far, &anonymous()).await;
    in_time(async || far.create(&sample::key(), &record).await.map(drop)).await;
    in_time(async || far.replace(&key, &record, revision).await.map(drop)).await;
    let successor = sample::key_beside(&key);
    in_time(async || far.rotate(&key, &successor, &record, revision).await.map(drop)).await;
    in_time(async || far.subjects().unwrap().list(&subject, None, 10).await.map(drop)).await;
}

async fn in_time(operation: impl AsyncFnOnce() -> Result<(), Error>) {
    let start = Stopwatch::start();
    let error = operation().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    // A round trip less than what it would take.
    let took = start.elapsed();
    assert!(took < DEADLINE + DELAY, "{took:?}");
}

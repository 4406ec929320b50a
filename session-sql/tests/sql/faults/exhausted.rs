//! All connections in use, by calls that wait for somebody else's lock.

use std::time::Duration;

use session_core::ErrorKind;
use session_testkit::servers::Postgres;

use super::calls::{Sessions, Targets, assert_failed, assert_refused};
use super::server::Server;
use super::{LONG, builder, until};

/// Much shorter than the second for which MySQL waits for a lock, and then says so itself.
const HURRY: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread")]
async fn an_exhausted_pool_costs_each_call_a_deadline_and_is_full_again() {
    let postgres = Postgres::start().await;
    check(&postgres, "exhausted").await;
    let store = builder(&postgres.url(), "pooled").timeout(HURRY).through_transaction_pooler();
    let sessions = Sessions::create_within(&store.build().unwrap(), HURRY).await;
    exhaust(&postgres, "pooled", &sessions).await;
}

pub(super) async fn check(server: &impl Server, namespace: &str) {
    let store = builder(&server.url(), namespace).timeout(HURRY).build().unwrap();
    exhaust(server, namespace, &Sessions::create_within(&store, HURRY).await).await;
}

async fn exhaust(server: &impl Server, namespace: &str, sessions: &Sessions) {
    let targets = Targets::create(&sessions.store).await;
    let lock = server.lock(namespace).await;
    let touches = sessions.wait_on_all(server).await;
    // They wait for a connection, until those before them have used up their time.
    let answers = targets.write_all().await;
    let waited: Vec<_> = answers.into_iter().filter(|answered| answered.call != "create").collect();
    let locked = ["replace", "rotate", "touch", "delete"];
    let waited: Vec<_> =
        waited.into_iter().filter(|answered| locked.contains(&answered.call)).collect();
    assert_eq!(waited.len(), locked.len());
    assert_failed(&waited, &[ErrorKind::Timeout], HURRY);
    for touched in touches.await.unwrap() {
        assert_refused(touched, ErrorKind::Timeout, None);
    }
    // Whatever nobody waits for any more does not wait for the lock either.
    server.waiting(0).await;
    // Reads, and what concerns no locked row, go on.
    until("reads", LONG, async || sessions.load_some(8).await == 8).await;
    lock.release().await;
    sessions.assert_recovered(server, namespace).await;
}

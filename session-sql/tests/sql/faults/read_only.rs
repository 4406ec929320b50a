//! A server that answers, and refuses to write: a primary that was demoted.

use session_core::ErrorKind;
use session_sql::SqlStore;
use session_testkit::servers::Postgres;

use super::calls::{Sessions, Targets, assert_failed, assert_refused};
use super::server::Server;
use super::{CONNECTIONS, LONG, RECOVERY, builder, open_patient, until};
use crate::fixture::TIMEOUT;

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_server_is_told_of_and_left() {
    check(&Postgres::start().await, "read_only", "25006").await;
}

/// Those that were at something else when the first write was refused.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_were_lent_are_left_too() {
    let postgres = Postgres::start().await;
    let store = builder(&postgres.url(), "lent").timeout(TIMEOUT).max_connections(CONNECTIONS + 1);
    let store = store.build().unwrap();
    let sessions = Sessions::create_patiently(&store).await;
    let lock = postgres.lock("lent").await;
    let touches = sessions.wait_on_all(&postgres).await;
    let targets = Targets::create(&store).await;
    postgres.read_only(true).await;
    assert_writes_are_refused(&targets, "25006").await;
    lock.release().await;
    for touched in touches.await.unwrap() {
        touched.unwrap();
    }
    // What a primary that was demoted has to say is of before.
    for _ in 0..2 * CONNECTIONS {
        assert_refused(sessions.load_one().await, ErrorKind::Unavailable, Some("25006"));
    }
}

pub(super) async fn check<S: Server>(server: &S, namespace: &str, code: &str) {
    let store = open_patient(&server.url(), namespace);
    let sessions = Sessions::create_patiently(&store).await;
    sessions.assert_at_full_capacity(server, namespace).await;
    let fresh = open_patient(&server.url(), namespace);
    let targets = Targets::create(&store).await;
    server.read_only(true).await;
    assert_writes_are_refused(&targets, code).await;
    // A connection to a server that may have been demoted is not kept.
    until("the connections to be closed", LONG, async || server.count(S::CONNECTIONS).await == 0)
        .await;
    assert_writes_are_refused(&targets, code).await;
    let targets = targets.through(&fresh);
    assert_writes_are_refused(&targets, code).await;

    server.read_only(false).await;
    for store in [store, fresh] {
        well_again(&store, &sessions).await;
    }
    // Nothing that was refused was done.
    for answered in targets.write_all().await {
        answered.answer.unwrap();
    }
    drop(targets);
    sessions.assert_recovered(server, namespace).await;
}

async fn assert_writes_are_refused(targets: &Targets, code: &str) {
    let answers = targets.write_each().await;
    // Two attempts, and no waiting.
    assert_failed(&answers, &[ErrorKind::Unavailable], TIMEOUT / 4);
    for answered in answers {
        assert_refused(answered.answer, ErrorKind::Unavailable, Some(code));
    }
}

async fn well_again(store: &SqlStore, sessions: &Sessions) {
    let sessions = sessions.through(store);
    until("writes", RECOVERY, async || sessions.touches(1).await[0].is_ok()).await;
}

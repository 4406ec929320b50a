//! A server that answers, and refuses to write: a primary that was demoted.

use session_core::ErrorKind;
use session_sql::SqlStore;
use session_testkit::servers::Postgres;

use super::calls::{Sessions, Targets, assert_failed, assert_refused};
use super::server::Server;
use super::{LONG, RECOVERY, open_patient, until};
use crate::fixture::TIMEOUT;

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_server_is_told_of_and_left() {
    check(&Postgres::start().await, "read_only", "25006").await;
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

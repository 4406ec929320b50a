//! A server that hangs: its connections stay open, and nobody answers.

use session_core::ErrorKind;
use session_testkit::servers::Postgres;

use super::calls::{Sessions, Targets, assert_failed};
use super::server::Server;
use super::{DEADLINE, builder, open};

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_costs_each_call_a_deadline_and_the_pool_nothing() {
    let postgres = Postgres::start().await;
    check(&postgres, "frozen").await;

    // What a store does in several round trips is begun, and not ended.
    let store = builder(&postgres.url(), "pooled").through_transaction_pooler().build().unwrap();
    freeze(&postgres, "pooled", &Sessions::create(&store).await).await;
}

pub(super) async fn check(server: &impl Server, namespace: &str) {
    let store = open(&server.url(), namespace);
    freeze(server, namespace, &Sessions::create(&store).await).await;
}

async fn freeze(server: &impl Server, namespace: &str, sessions: &Sessions) {
    sessions.assert_at_full_capacity(server, namespace).await;
    let mut targets = Vec::new();
    for _ in 0..2 {
        targets.push(Targets::create(&sessions.store).await);
    }
    server.pause();
    // First on connections that were there before, and then on new ones.
    for targets in targets {
        let answers = targets.call_all().await;
        assert_failed(&answers, &[ErrorKind::Timeout, ErrorKind::Unavailable], DEADLINE);
    }
    server.resume();
    sessions.assert_recovered(server, namespace).await;
}

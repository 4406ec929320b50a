//! Portals that are started before their database, or at the same moment.

use session_testkit::servers::Postgres;

use super::{config_at, file_in};
use crate::client::Client;
use crate::configured::{Configured, RECOVERY, expect_outage, until_ready};
use crate::layered::{cached, until_local};
use crate::process::{DEADLINE, Directory};

#[tokio::test]
async fn it_serves_and_recovers_by_itself() {
    let postgres = Postgres::start().await;
    let config = config_at(&postgres.url());
    let (configured, mut client) = started_before(&postgres, &config).await;

    postgres.kill();
    expect_outage(client.get("/api/me").await);
    expect_outage(client.post("/api/logout").await);
    postgres.restart().await;
    until_ready(&configured.portal, RECOVERY).await;
    client.get("/api/me").await.expect(200).expect_no_cookie();
}

#[tokio::test]
async fn with_a_cache_it_recovers_by_itself_and_caches() {
    let postgres = Postgres::start().await;
    let config = cached(&config_at(&postgres.url()));
    let (_configured, mut client) = started_before(&postgres, &config).await;
    until_local(&mut client).await;
}

/// A portal that was started before its database, which is there now, and somebody who is signed
/// in.
async fn started_before(postgres: &Postgres, config: &str) -> (Configured, Client) {
    postgres.kill();
    let configured = Configured::start(config).await;
    let mut client = configured.portal.client();
    client.get("/api/plain").await.expect(200);
    let answer = expect_outage(client.get("/readyz").await);
    assert!(!answer.text().contains(&postgres.port().to_string()), "{answer}");
    expect_outage(client.post("/api/counter").await);

    postgres.restart().await;
    let took = until_ready(&configured.portal, RECOVERY).await;
    println!("ready {took:?} after PostgreSQL was");
    client.log_in("u1001").await;
    client.get("/api/me").await.expect(200);
    (configured, client)
}

/// Both make the tables, and neither is told that they are there.
#[tokio::test]
async fn two_may_be_started_at_once_in_an_empty_database() {
    let (postgres, directory) = (Postgres::start().await, Directory::new());
    for url in [postgres.url(), file_in(&directory)] {
        let config = config_at(&url);
        let (a, b) = tokio::join!(Configured::start(&config), Configured::start(&config));
        tokio::join!(until_ready(&a.portal, DEADLINE), until_ready(&b.portal, DEADLINE));
        a.portal.signed_in("u1001").await;
        b.portal.signed_in("u1001").await;
    }
}

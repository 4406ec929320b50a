//! The configurations that are promised to work as they stand, but for names, ports, and time enough
//! for a busy machine.

use session_testkit::servers::{Cluster, Redis, Sentinel};

use super::PATIENT;
use crate::configured::{
    Configured, expect_outage, until_ready, until_signed_in, until_signed_out,
};
use crate::patience::until;
use crate::process::DEADLINE;

const SAMPLE: &str = r#"
[session]
store = "main"
idle_timeout = "30m"
absolute_timeout = "12h"
cookie = { name = "id", secure = false, same_site = "lax" }
[stores.main]
kind = "redis"
url = "redis://user:secret@127.0.0.1:6379/0"        # rediss:// for TLS
# sentinel = { nodes = ["127.0.0.1:26379", "127.0.0.1:26380"], master = "mymaster" }
# cluster = { nodes = ["127.0.0.1:7000", "127.0.0.1:7001"] }
namespace = "portal"
timeout = "500ms"
wait = { replicas = 1, timeout = "100ms" }           # optional: on log-in, rotation, log-out
"#;

const URL: &str = "url = \"redis://user:secret@127.0.0.1:6379/0\"        # rediss:// for TLS\n";

/// No more than the namespace is this user's.
const USER: &str = "user user on >secret ~portal:* &portal:* +@all";

/// A server with one replica, which the sample waits for.
async fn single() -> (Redis, Redis) {
    let primary = Redis::builder().acl(USER).start().await;
    let of = format!("127.0.0.1 {}", primary.port());
    let replica = Redis::builder().config("replicaof", of).start().await;
    until("the replica is in step", async || {
        replica.info("replication").await.get("master_link_status").is_some_and(|up| up == "up")
    })
    .await;
    (primary, replica)
}

fn single_sample(primary: &Redis) -> String {
    replaced(SAMPLE, "127.0.0.1:6379", &primary.address().to_string())
}

pub(crate) fn sentinel_sample(sentinel: &Sentinel) -> String {
    let nodes = sentinel.nodes();
    let sample = replaced(&replaced(SAMPLE, URL, ""), "# sentinel", "sentinel");
    let sample = replaced(&sample, "127.0.0.1:26379", &nodes[0]);
    replaced(&replaced(&sample, "127.0.0.1:26380", &nodes[1]), "mymaster", sentinel.master())
}

pub(crate) fn cluster_sample(cluster: &Cluster) -> String {
    let nodes = cluster.nodes();
    let sample = replaced(&replaced(SAMPLE, URL, ""), "# cluster", "cluster");
    replaced(&replaced(&sample, "127.0.0.1:7000", &nodes[0]), "127.0.0.1:7001", &nodes[1])
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    text.replace(from, to)
}

#[tokio::test]
async fn the_sample_of_one_server_works_as_it_stands() {
    let (primary, replica) = single().await;
    let configured = Configured::start_with(&single_sample(&primary), &[PATIENT]).await;
    until_ready(&configured.portal, DEADLINE).await;
    let mut client = configured.portal.client();
    until_signed_in(&mut client).await;
    client.post("/api/counter/now").await.expect(200);
    client.get("/api/me").await.expect(200);
    until_signed_out(&mut client, DEADLINE).await;
    client.get("/api/me").await.expect_error(401, "no_session");

    let keys: Vec<String> = primary.query(&["KEYS", "*"]).await.expect("keys");
    assert!(keys.iter().all(|key| key.starts_with("portal:")), "{keys:?}");

    // A log-out that no replica has heard of is none.
    until_signed_in(&mut client).await;
    drop(replica);
    expect_outage(client.post("/api/logout").await);
}

#[tokio::test]
async fn a_rotation_that_no_replica_has_confirmed_is_told_and_signs_nobody_out() {
    let (primary, replica) = single().await;
    let configured = Configured::start_with(&single_sample(&primary), &[PATIENT]).await;
    let mut client = configured.portal.client();
    until_signed_in(&mut client).await;
    drop(replica);
    let mut left_behind = client.clone();
    let answer = client.post("/api/rotate").await.expect_error(503, "store_unavailable");
    assert!(answer.set_cookie().is_some_and(|it| !it.contains("Max-Age=0")), "{answer}");
    client.get("/api/me").await.expect(200);
    left_behind.get("/api/me").await.expect_error(401, "no_session");
}

//! Redis is there, and refuses to write: nobody is told that something was done.

use serde_json::json;
use session_testkit::servers::Redis;

use super::config_for;
use crate::client::Client;
use crate::configured::{Configured, RECOVERY, expect_outage, until_signed_out};
use crate::patience::until;

#[tokio::test]
async fn too_few_replicas() {
    let redis = Redis::start().await;
    let configured = Configured::start(&config_for(&redis)).await;
    let mut client = configured.portal.signed_in("u1001").await;
    redis.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    nothing_is_written(&mut client, &configured).await;
    // Reading is another matter.
    client.get("/api/me").await.expect(200);
    redis.command(&["CONFIG", "SET", "min-replicas-to-write", "0"]).await;
    until_signed_out(&mut client, RECOVERY).await;
}

#[tokio::test]
async fn no_primary_any_more() {
    let redis = Redis::start().await;
    let configured = Configured::start(&config_for(&redis)).await;
    let mut client = configured.portal.signed_in("u1001").await;
    // Nobody is there to follow, so it keeps what it has.
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
    nothing_is_written(&mut client, &configured).await;
    redis.command(&["REPLICAOF", "NO", "ONE"]).await;
    let took = until_signed_out(&mut client, RECOVERY).await;
    println!("signed out {took:?} after it was primary again");
}

#[tokio::test]
async fn nothing_can_be_persisted() {
    let redis = Redis::builder().config("save", "3600 1000000").start().await;
    let configured = Configured::start(&config_for(&redis)).await;
    let mut client = configured.portal.signed_in("u1001").await;
    // No file can be where there is a folder with something in it.
    let folder: (String, String) = redis.query(&["CONFIG", "GET", "dir"]).await.expect("a folder");
    let in_the_way = std::path::Path::new(&folder.1).join("dump.rdb").join("something");
    std::fs::create_dir_all(&in_the_way).expect("a folder in the way");
    redis.command(&["BGSAVE"]).await;
    let status = async || redis.info("persistence").await["rdb_last_bgsave_status"].clone();
    until("saving has failed", async || status().await == "err").await;

    nothing_is_written(&mut client, &configured).await;
    client.get("/api/me").await.expect(200);
    redis.command(&["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"]).await;
    until_signed_out(&mut client, RECOVERY).await;
}

#[tokio::test]
async fn out_of_memory_one_can_still_sign_out() {
    let redis = Redis::start().await;
    let configured = Configured::start(&config_for(&redis)).await;
    let mut client = configured.portal.signed_in("u1001").await;
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    nothing_new_is_written(&mut client, &configured).await;
    client.get("/api/me").await.expect(200);
    client.post("/api/logout").await.expect(204).expect_cleared();
    client.get("/api/me").await.expect_error(401, "no_session");
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    client.log_in("u1001").await;
}

/// Nobody is signed in or out.
async fn nothing_is_written(client: &mut Client, configured: &Configured) {
    expect_outage(client.post("/api/logout").await);
    nothing_new_is_written(client, configured).await;
    expect_outage(client.post("/api/devices/revoke-all").await);
    expect_outage(client.post("/api/logout").await);
}

async fn nothing_new_is_written(client: &mut Client, configured: &Configured) {
    let credentials = json!({ "user": "u1001", "password": "demo" });
    expect_outage(client.post_json("/api/login", &credentials).await);
    expect_outage(client.put("/api/data/name", &json!(1)).await);
    for path in ["/api/counter", "/api/counter/now", "/api/rotate"] {
        expect_outage(client.post(path).await);
    }
    let mut stranger = configured.portal.client();
    expect_outage(stranger.post_json("/api/login", &credentials).await);
    expect_outage(stranger.post("/api/counter").await);
    configured.portal.client().get("/healthz").await.expect(200);
}

//! Two instances of the example, on one Redis.

use std::time::Duration;

use session_testkit::servers::Redis;
use tokio::process::Command;

use crate::service::{Client, Instance};

#[path = "../../axum-login/tests/service/mod.rs"]
mod service;

#[tokio::test]
async fn log_ins_and_log_outs_are_shared() {
    service::is_shared(PROGRAM, 303).await;
}

#[tokio::test]
async fn what_extends_a_session_is_written_before_an_instance_ends() {
    let redis = Redis::start().await;
    let mut instance = Instance::start(PROGRAM, &redis).await;
    let mut client = Client::default();
    client.log_in(&instance).await;
    let before = deadline(&redis).await;
    assert_eq!(client.get(&instance).await.status, 200);

    let id = instance.process.id().expect("a process that runs").to_string();
    let told = Command::new("kill").args(["-s", "TERM", &id]).status().await;
    assert!(told.expect("a `kill` command").success());
    let ended = tokio::time::timeout(Duration::from_secs(60), instance.process.wait()).await;
    let status = ended.expect("an end in time").expect("a status");
    assert!(status.success(), "it could not write: {status}");
    let after = deadline(&redis).await;
    assert!(after > before, "the session was not extended: until {after}, as before");
}

/// When the one session there is expires, in milliseconds since 1970.
async fn deadline(redis: &Redis) -> i64 {
    let keys: Vec<String> = redis.query(&["KEYS", "*:{????}:*"]).await.expect("keys");
    let is_session = |key: &&String| !key.ends_with(":nodes") && !key.ends_with(":epoch");
    let sessions: Vec<&String> = keys.iter().filter(is_session).collect();
    let [session] = *sessions else { panic!("one session: {keys:?}") };
    redis.query(&["PEXPIRETIME", session]).await.expect("a deadline")
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_example-actix-session");

//! Servers that answer, and refuse.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use session_core::ErrorKind::{Full, Unavailable};
use session_core::{Clock as _, Load, Loaded, NodeId, Store as _, SystemClock, Touch, Touched};
use session_testkit::servers::Redis;
use tokio::net::TcpStream;

use super::patience::until;
use super::refused::{Fixture, Refused};

const LONG: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_loads_its_data_says_so() {
    let redis = Redis::builder()
        // Slow, and willing to talk meanwhile.
        .config("key-load-delay", 500)
        .config("loading-process-events-interval-bytes", 1_024);
    let fixture = Fixture::start(redis).await;
    fixture.redis.command(&["DEBUG", "POPULATE", "10000", "filler", "100"]).await;
    fixture.redis.command(&["SAVE"]).await;
    fixture.redis.kill();
    fixture.redis.restart_unready();
    until("the server to load", LONG, async || {
        let info = fixture.redis.query::<String>(&["INFO", "persistence"]).await;
        info.is_ok_and(|info| info.contains("\nloading:1"))
    })
    .await;
    until("it to be heard", LONG, async || fixture.is_refused("LOADING").await).await;
    fixture.assert_refused(Refused::with(Unavailable, "LOADING").and_reads()).await;
    until("the server to be ready", LONG, async || {
        let info = fixture.redis.query::<String>(&["INFO", "persistence"]).await;
        info.is_ok_and(|info| info.contains("\nloading:0"))
    })
    .await;
    fixture.assert_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_persist_takes_no_log_out() {
    let redis = Redis::builder().config("enable-protected-configs", "yes");
    let fixture = Fixture::start(redis).await;
    let folder: Vec<String> = fixture.redis.query(&["CONFIG", "GET", "dir"]).await.unwrap();
    let gone = format!("{}/gone", folder[1]);
    std::fs::create_dir(&gone).unwrap();
    fixture.redis.command(&["CONFIG", "SET", "dir", &gone, "save", "900 1"]).await;
    std::fs::remove_dir(&gone).unwrap();
    save(&fixture.redis, "err").await;
    fixture.assert_refused(Refused::with(Unavailable, "MISCONF")).await;
    fixture.redis.command(&["CONFIG", "SET", "dir", &folder[1]]).await;
    save(&fixture.redis, "ok").await;
    fixture.assert_unharmed().await;
}

/// Has the server write its data to disk, and waits until that ended so.
async fn save(redis: &Redis, status: &str) {
    let _ = redis.query::<String>(&["BGSAVE"]).await;
    until("the server to have saved", LONG, async || {
        let info = redis.info("persistence").await;
        info["rdb_bgsave_in_progress"] == "0" && info["rdb_last_bgsave_status"] == status
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_still_takes_a_log_out_and_a_touch() {
    let fixture = Fixture::start(Redis::builder()).await;
    let other = fixture.other_session().await;
    fixture.redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    fixture.assert_refused(Refused::with(Full, "OOM").but_deletes().but_touches()).await;
    let touch = Touch { key: other, idle_deadline: SystemClock.now().plus(LONG) };
    assert_eq!(fixture.store.touch(&[touch]).await.unwrap(), [Touched::Done]);
    let backplane = fixture.store.backplane().unwrap();
    let (lane, node) = (backplane.lanes().await.unwrap()[0], NodeId(1));
    let _subscription = backplane.subscribe(lane, node).await.unwrap();
    backplane.echo(lane, node, 1, 0).await.unwrap();
    assert!(fixture.store.delete(&other).await.unwrap());
    let left = fixture.store.load(&other, Load::default()).await;
    assert!(matches!(left, Ok(Loaded::Absent)), "{left:?}");
    fixture.redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    fixture.assert_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_without_replicas_takes_no_log_out() {
    let fixture = Fixture::start(Redis::builder()).await;
    fixture.redis.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    fixture.assert_refused(Refused::with(Unavailable, "NOREPLICAS")).await;
    fixture.redis.command(&["CONFIG", "SET", "min-replicas-to-write", "0"]).await;
    fixture.assert_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demoted_server_takes_no_log_out() {
    let fixture = Fixture::start(Redis::builder()).await;
    let other = Redis::start().await;
    follow(&other, &fixture.redis).await;
    other.command(&["REPLICAOF", "NO", "ONE"]).await;
    follow(&fixture.redis, &other).await;
    fixture.assert_refused(Refused::with(Unavailable, "READONLY").and_reads()).await;
    fixture.redis.command(&["REPLICAOF", "NO", "ONE"]).await;
    fixture.assert_unharmed().await;
}

async fn follow(replica: &Redis, primary: &Redis) {
    let port = primary.port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    until("a replica in step", LONG, async || {
        replica.info("replication").await["master_link_status"] == "up"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_too_many_clients_says_so() {
    let mut fixture = Fixture::start(Redis::builder()).await;
    let mut admin: MultiplexedConnection = fixture.redis.connection().await;
    let mut fillers = Vec::new();
    for _ in 0..8 {
        fillers.push(TcpStream::connect(fixture.redis.address()).await.unwrap());
    }
    set_max_clients(&mut admin, 1).await;
    // Those that are connected stay so.
    fixture.connect_directly();
    let refused = Refused::with(Unavailable, "MAXCLIENTS").and_reads().and_hangs_up();
    fixture.assert_refused(refused).await;
    set_max_clients(&mut admin, 999).await;
    let rejected: u64 = fixture.redis.info("stats").await["rejected_connections"].parse().unwrap();
    println!("F15: {rejected} connections rejected");
    assert!(rejected <= 20, "{rejected} connections rejected");
    fixture.assert_unharmed().await;
}

/// On a connection from before: there are no new ones.
async fn set_max_clients(admin: &mut MultiplexedConnection, count: u32) {
    let mut command = redis::cmd("CONFIG");
    command.arg("SET").arg("maxclients").arg(count).exec_async(admin).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_from_none() {
    let redis = Redis::builder().acl("user app on >right ~* &* +@all");
    let mut fixture = Fixture::start(redis).await;
    fixture.log_in(|builder| builder.credentials(Some("app"), "wrong"));
    fixture.assert_refused(Refused::with(Unavailable, "WRONGPASS").and_reads()).await;
    fixture.redis.command(&["ACL", "SETUSER", "app", ">wrong"]).await;
    fixture.assert_unharmed().await;

    fixture.redis.command(&["ACL", "SETUSER", "default", "resetpass", ">right"]).await;
    fixture.log_in(|builder| builder);
    fixture.assert_refused(Refused::with(Unavailable, "NOAUTH").and_reads()).await;
    fixture.redis.command(&["ACL", "SETUSER", "default", "nopass"]).await;
    fixture.assert_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_a_permission_writes_nothing() {
    let redis = Redis::builder().acl("user app on >right ~* &* +@all");
    let mut fixture = Fixture::start(redis).await;
    fixture.log_in(|builder| builder.credentials(Some("app"), "right"));
    for (taken, given) in [
        ("-evalsha", "+evalsha"),
        ("-publish", "+publish"),
        ("resetchannels", "allchannels"),
        ("resetkeys", "allkeys"),
    ] {
        fixture.redis.command(&["ACL", "SETUSER", "app", taken]).await;
        println!("F15: {taken}");
        let refused = Refused::with(Unavailable, "NOPERM");
        let refused = match taken {
            "resetkeys" => refused.and_reads(),
            // Touches are not announced.
            "-publish" | "resetchannels" => refused.but_touches(),
            _ => refused,
        };
        fixture.assert_refused(refused).await;
        fixture.redis.command(&["ACL", "SETUSER", "app", given]).await;
        fixture.assert_unharmed().await;
    }
}

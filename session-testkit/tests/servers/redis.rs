//! A single server: started, stopped, and spoken to in every way.

use std::time::{Duration, Instant};

use redis::{Client, ClientTlsConfig, RedisResult, TlsCertificates, Value};
use session_testkit::servers::{Certificates, Redis};

#[tokio::test]
async fn a_server_answers_at_its_address() {
    let redis = Redis::start().await;
    let client = Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let pong: String = redis::cmd("PING").query_async(&mut connection).await.unwrap();
    assert_eq!(pong, "PONG");
    assert_eq!(redis.url(), format!("redis://127.0.0.1:{}/", redis.port()));
    assert_eq!(redis.address().port(), redis.port());
}

#[tokio::test]
async fn servers_are_gone_with_their_files_when_they_are_dropped() {
    let redis = Redis::start().await;
    let address = redis.address();
    let folder: Vec<String> = redis.query(&["CONFIG", "GET", "dir"]).await.unwrap();
    assert!(std::path::Path::new(&folder[1]).is_dir());
    redis.pause();

    drop(redis);
    assert!(!std::path::Path::new(&folder[1]).exists());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn what_was_persisted_survives_a_kill() {
    let builder = Redis::builder().config("appendonly", "yes").config("appendfsync", "always");
    let (durable, forgetful) = tokio::join!(builder.start(), Redis::start());
    for redis in [&durable, &forgetful] {
        let (pid, port) = (redis.pid(), redis.port());
        redis.command(&["SET", "key", "value"]).await;
        redis.kill();
        assert_eq!(redis.pid(), None);
        redis.restart().await;
        assert!(redis.pid().is_some_and(|restarted| Some(restarted) != pid));
        assert_eq!(redis.port(), port);
    }
    assert_eq!(durable.command(&["GET", "key"]).await, Value::BulkString(b"value".to_vec()));
    assert_eq!(forgetful.command(&["GET", "key"]).await, Value::Nil);
}

#[tokio::test]
async fn a_server_that_loads_its_data_is_not_ready() {
    let redis = Redis::builder()
        .config("appendonly", "yes")
        .config("key-load-delay", 100)
        .config("loading-process-events-interval-bytes", 1024)
        .start()
        .await;
    let fill = "for i = 1, 5000 do redis.call('SET', i, i) end";
    redis.command(&["EVAL", fill, "0"]).await;
    let before = Instant::now();
    redis.restart_unready();
    let early: RedisResult<Value> = redis.query(&["GET", "1"]).await;
    assert!(early.is_err(), "{early:?} after {:?}", before.elapsed());
    redis.restart().await;
    assert_eq!(redis.query::<String>(&["GET", "5000"]).await.unwrap(), "5000");
}

#[tokio::test]
async fn a_paused_server_answers_when_it_is_resumed() {
    let redis = Redis::start().await;
    let mut connection = redis.connection().await;
    redis.pause();
    let ping = async {
        let pong: String = redis::cmd("PING").query_async(&mut connection).await.unwrap();
        pong
    };
    let mut ping = std::pin::pin!(ping);
    let early = tokio::time::timeout(Duration::from_millis(50), &mut ping).await;
    assert!(early.is_err(), "{early:?}");
    redis.resume();
    assert_eq!(ping.await, "PONG");
}

#[tokio::test]
async fn commands_are_counted() {
    let redis = Redis::start().await;
    assert_eq!(redis.command_calls("get").await, 0);
    redis.command(&["GET", "key"]).await;
    redis.command(&["GET", "key"]).await;
    assert_eq!(redis.command_calls("GET").await, 2);
    assert!(redis.info("server").await.contains_key("redis_version"));
}

#[tokio::test]
async fn commands_of_the_fixture_work_where_those_of_others_do_not() {
    let redis = Redis::builder()
        .config("requirepass", "password")
        .acl("user app on >secret ~app:* &app:* +@all -@dangerous")
        .start()
        .await;
    let mut app = redis.connection_as("app", "secret").await.unwrap();
    let mut set = async |key: &str| -> RedisResult<String> {
        redis::cmd("SET").arg(key).arg(1).query_async(&mut app).await
    };
    assert_eq!(set("app:key").await.unwrap(), "OK");
    assert_eq!(set("key").await.unwrap_err().code(), Some("NOPERM"));
    assert!(redis.connection_as("app", "wrong").await.is_err());
    assert!(redis.query::<Value>(&["GET", "key"]).await.is_ok());
}

#[tokio::test]
async fn tls_takes_the_authority_and_a_client_certificate() {
    let redis = Redis::builder().acl("user app on >secret ~* &* +@all").tls().start().await;
    let ours = redis.certificates().unwrap();
    let strangers = Certificates::generate();
    assert!(redis.url().starts_with("rediss://"));

    assert_eq!(ping(&redis, &ours.ca, Some(ours)).await.unwrap(), "PONG");
    assert!(ping(&redis, &ours.ca, None).await.is_err());
    assert!(ping(&redis, &ours.ca, Some(&strangers)).await.is_err());
    assert!(ping(&redis, &strangers.ca, Some(ours)).await.is_err());
}

async fn ping(redis: &Redis, ca: &str, client: Option<&Certificates>) -> RedisResult<String> {
    let client_tls = client.map(|certificates| ClientTlsConfig {
        client_cert: certificates.client_cert.clone().into_bytes(),
        client_key: certificates.client_key.clone().into_bytes(),
    });
    let certificates = TlsCertificates { client_tls, root_cert: Some(ca.as_bytes().to_vec()) };
    let url = format!("rediss://app:secret@localhost:{}/", redis.port());
    let mut connection =
        Client::build_with_tls(url, certificates)?.get_multiplexed_async_connection().await?;
    redis::cmd("PING").query_async(&mut connection).await
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let start = Redis::builder().config("no-such-directive", "yes").start();
    let panic = tokio::spawn(start).await.unwrap_err().into_panic();
    let message = panic.downcast_ref::<String>().unwrap();
    for part in ["redis-server has ended", "no-such-directive"] {
        assert!(message.contains(part), "{message}");
    }
}

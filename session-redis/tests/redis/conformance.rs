//! The conformance suite, on every topology.

use std::sync::Arc;
use std::time::Duration;

use session_core::{Event, NodeId, Store as _};
use session_redis::{RedisStore, RedisStoreBuilder, Tls, Topology};
use session_testkit::servers::{Cluster, Redis, Sentinel, ServerHarness};
use session_testkit::{Harness, clauses};

use crate::fixture::{Servers, TIMEOUT, anonymous, builder, create, find};

mod single {
    use super::{Arc, Harness, Redis, TICK, harness_of};
    use crate::fixture::builder;

    async fn harness() -> impl Harness {
        let redis = Arc::new(Redis::start().await);
        harness_of(builder(&*redis), redis, |redis| vec![redis]).with_tick(TICK / 2)
    }

    session_testkit::store_tests!(harness);
}

/// Who may do what the documentation of the crate says, on servers that know others too. The
/// harness draws namespaces, so keys and channels are any.
const USER: &str = "user shop on >secret ~* &* \
    +get +set +del +exists +getrange +setrange +pexpire +pttl \
    +zadd +zrem +zrangebylex +zremrangebylex \
    +hmget +hset +hdel +hgetall \
    +eval +evalsha +time +publish +subscribe +ping +role \
    +info +wait +client|setname +select +cluster|nodes +asking +readonly";

/// The Sentinels themselves ask for no password.
#[tokio::test]
async fn every_clause_holds_behind_sentinels() {
    let sentinel = Arc::new(Sentinel::builder().acl(USER).down_after(UNDISTURBED).start().await);
    check_all(|| {
        let builder = builder(&*sentinel).credentials(Some("shop"), "secret").database(2);
        harness_of(builder, Arc::clone(&sentinel), |it| vec![it.primary()])
    });
}

#[tokio::test]
async fn every_clause_holds_in_a_cluster() {
    let cluster = Arc::new(Cluster::builder().acl(USER).node_timeout(UNDISTURBED).start().await);
    check_all(|| {
        let builder = builder(&*cluster).credentials(Some("shop"), "secret");
        harness_of(builder, Arc::clone(&cluster), |it| it.primaries().iter().collect())
    });
}

/// As far as possible from a server on its own with no password: TLS both ways, a user who may do
/// no more than a store does, another database.
#[tokio::test]
async fn every_clause_holds_with_tls_a_user_and_a_database() {
    let redis = Arc::new(guarded().await);
    check_all(|| harness_of(guest_of(&redis), Arc::clone(&redis), |redis| vec![redis]));
}

#[tokio::test]
async fn connections_tell_the_server_who_they_are() {
    let redis = guarded().await;
    let store = guest_of(&redis).build().unwrap();
    create(&store, &anonymous()).await;
    let backplane = store.backplane().unwrap();
    let lane = backplane.lanes().await.unwrap()[0];
    let subscription = backplane.subscribe(lane, NodeId(1)).await.unwrap();

    let clients: String = redis.query(&["CLIENT", "LIST"]).await.unwrap();
    let ours: Vec<&str> = clients.lines().filter(|line| line.contains("user=shop")).collect();
    assert_eq!(ours.len(), 2, "one for commands, one to listen on: {clients}");
    for line in ours {
        let field = |name: &str| line.split(' ').find_map(|field| field.strip_prefix(name));
        assert_eq!(field("name="), Some("shop-1"), "{line}");
        assert_eq!(field("db="), Some("3"), "{line}");
        // Servers before 7.2 do not ask.
        assert!(matches!(field("lib-name="), None | Some("session-redis")), "{line}");
    }
    drop(subscription);
}

#[tokio::test]
async fn a_socket_in_the_file_system_will_do() {
    let redis = Redis::start().await;
    let path: Vec<String> = redis.query(&["CONFIG", "GET", "unixsocket"]).await.unwrap();
    let topology = Topology::single(&format!("redis+unix://{}?db=4", path[1])).unwrap();
    let store = RedisStore::builder(topology).timeout(TIMEOUT).build().unwrap();
    let (key, revision) = create(&store, &anonymous()).await;
    assert_eq!(find(&store, &key).await.unwrap().revision, revision);
    let backplane = store.backplane().unwrap();
    let lane = backplane.lanes().await.unwrap()[0];
    let mut subscription = backplane.subscribe(lane, NodeId(1)).await.unwrap();
    backplane.echo(lane, NodeId(1), 7, 0).await.unwrap();
    assert_eq!(subscription.next().await.unwrap(), Event::Echo(7));
    let keyspace = redis.info("keyspace").await;
    assert_eq!(keyspace.keys().collect::<Vec<_>>(), ["db4"]);
}

#[tokio::test]
async fn every_clause_holds_without_announcements_and_nothing_is_published() {
    let redis = Arc::new(Redis::start().await);
    let silent = || builder(&*redis).without_announcements();
    assert!(silent().build().unwrap().backplane().is_none());
    check_all(|| harness_of(silent(), Arc::clone(&redis), |redis| vec![redis]));
    assert_eq!(redis.command_calls("publish").await, 0);
    assert_ne!(redis.command_calls("set").await, 0);
}

async fn guarded() -> Redis {
    Redis::builder().tls().acl("user default off").acl(USER).start().await
}

fn guest_of(redis: &Redis) -> RedisStoreBuilder {
    let certificates = redis.certificates().unwrap();
    let tls = Tls::new()
        .roots(certificates.ca.as_str())
        .client_certificate(certificates.client_cert.as_str(), certificates.client_key.as_str());
    builder(redis).tls(tls).credentials(Some("shop"), "secret").database(3).client_name("shop-1")
}

/// No server is taken for dead, however busy the machine is.
const UNDISTURBED: Duration = Duration::from_secs(30);

/// Long enough for calls of several clauses that share few cores.
const TICK: Duration = Duration::from_millis(500);

/// Checks every clause on servers that take seconds to start, and so serve them all.
fn check_all(harness: impl Fn() -> ServerHarness + Sync) {
    clauses::check_all(async || harness().with_tick(TICK));
}

/// A harness on servers of which `primaries` hold sessions.
fn harness_of<S: Servers + Send + Sync + 'static>(
    builder: RedisStoreBuilder,
    servers: Arc<S>,
    primaries: fn(&S) -> Vec<&Redis>,
) -> ServerHarness {
    let counted = Arc::clone(&servers);
    let open = move |namespace: &str| -> Arc<dyn session_core::Store> {
        Arc::new(builder.clone().namespace(namespace).build().unwrap())
    };
    ServerHarness::new(open)
        .with_occupied(move |namespace| {
            let servers = Arc::clone(&counted);
            async move {
                let mut count = 0;
                for server in primaries(&servers) {
                    count += sessions(server, &namespace).await;
                }
                count
            }
        })
        .with_guard(servers)
}

/// How many sessions there are, dead or alive, in whichever database.
async fn sessions(server: &Redis, namespace: &str) -> usize {
    let mut connection = server.connection().await;
    let mut count = 0;
    let databases = server.info("keyspace").await;
    for database in databases.keys().filter_map(|name| name.strip_prefix("db")) {
        let () = redis::cmd("SELECT").arg(database).query_async(&mut connection).await.unwrap();
        let mut command = redis::cmd("KEYS");
        command.arg(format!("{namespace}:{{????}}:*"));
        let keys: Vec<String> = command.query_async(&mut connection).await.unwrap();
        count +=
            keys.iter().filter(|key| !key.contains("}:node") && !key.contains("}:epoch")).count();
    }
    count
}

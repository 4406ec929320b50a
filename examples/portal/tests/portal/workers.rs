//! One `Sessions` for many workers of actix-web, each of which is a runtime of its own, and may
//! end before the others.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use actix_web::HttpServer;
use actix_web::dev::ServerHandle;
use portal::actix::{Shared, app};
use portal::{DebugHeaders, Metrics};
use session_testkit::servers::{Postgres, Redis};
use tokio::task::{JoinHandle, JoinSet};

use crate::client::Client;
use crate::configured::expect_outage;
use crate::layered::{cached, until_local};
use crate::patience::until;
use crate::process::Directory;
use crate::redis::config_for;
use crate::sql;

#[tokio::test(flavor = "multi_thread")]
async fn on_redis_the_end_of_the_first_worker_is_a_lost_connection_at_worst() {
    let redis = Redis::start().await;
    let shared = shared(config_for(&redis));
    let first = Server::start(&shared, 1);
    // Whatever the store starts runs on that worker.
    first.client().log_in("first").await;
    let failed = end_amid_requests(&shared, first).await;
    assert!(failed <= PEOPLE, "{failed} requests have failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_cache_the_end_of_the_first_worker_is_a_lost_connection_at_worst() {
    let redis = Redis::start().await;
    let shared = shared(cached(&config_for(&redis)));
    let first = Server::start(&shared, 1);
    let mut client = first.client();
    client.log_in("first").await;
    until_local(&mut client).await;
    let others = Server::start(&shared, 2);
    let mut elsewhere = others.client();
    elsewhere.set_cookie(client.cookie().expect("a cookie"));
    until_local(&mut elsewhere).await;
    let failed = end_amid_requests(&shared, first).await;
    assert!(failed <= PEOPLE, "{failed} requests have failed");
    // The cache listens again.
    until_local(&mut elsewhere).await;
    others.stop().await;
}

/// Here it is one connection for each call that was under way.
#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_the_end_of_the_first_worker_is_some_lost_connections_at_worst() {
    let postgres = Postgres::start().await;
    let shared = shared(sql::config_at(&postgres.url()));
    let first = Server::start(&shared, 1);
    first.client().log_in("first").await;
    let failed = end_amid_requests(&shared, first).await;
    assert!(failed <= PEOPLE, "{failed} requests have failed");
}

/// As the portal does it.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_for_it_if_the_store_was_used_elsewhere_first() {
    for with_cache in [false, true] {
        let redis = Redis::start().await;
        let config = config_for(&redis);
        let shared = shared(if with_cache { cached(&config) } else { config });
        shared.use_the_store_here().await;
        let first = Server::start(&shared, 1);
        first.client().log_in("first").await;
        let before = connections(&redis).await;
        assert!(!before.is_empty());
        assert_eq!(end_amid_requests(&shared, first).await, 0);
        let after = connections(&redis).await;
        assert!(before.is_subset(&after), "{before:?} were there before, {after:?} after");
    }
}

/// The numbers of all connections but the one that asks.
async fn connections(redis: &Redis) -> BTreeSet<String> {
    let list: String = redis.query(&["CLIENT", "LIST"]).await.expect("a list");
    let others = list.lines().filter(|line| !line.contains(" cmd=client"));
    others.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

const PEOPLE: u64 = 16;

/// Ends the server while people count on others, and tells how many requests failed for it. What
/// was acknowledged has been counted, and nothing twice.
async fn end_amid_requests(shared: &Shared, server: Server) -> u64 {
    let others = Server::start(shared, 3);
    let counted = Arc::new([const { AtomicU64::new(0) }; PEOPLE as usize]);
    let is_over = Arc::new(AtomicBool::new(false));
    let mut people = JoinSet::new();
    for person in 0..PEOPLE as usize {
        let mut client = others.client();
        let (counted, is_over) = (Arc::clone(&counted), Arc::clone(&is_over));
        people.spawn(async move {
            client.log_in(&format!("u{person}")).await;
            let (mut known, mut unknown, mut failed) = (0, 0, 0);
            while !is_over.load(Ordering::Relaxed) {
                let answer = client.post("/api/counter/now").await.expect_no_cookie();
                if answer.status != 200 {
                    expect_outage(answer);
                    (unknown, failed) = (unknown + 1, failed + 1);
                    continue;
                }
                let value = answer.json()["value"].as_u64().expect("a number");
                assert!(
                    (known + 1..=known + 1 + unknown).contains(&value),
                    "{value} after {known}"
                );
                (known, unknown) = (value, 0);
                counted[person].fetch_add(1, Ordering::Relaxed);
            }
            failed
        });
    }
    let everybody_counts = async |times: u64| {
        let before = counted.each_ref().map(|count| count.load(Ordering::Relaxed));
        until("everybody counts", async || {
            let mut now = counted.iter().map(|count| count.load(Ordering::Relaxed));
            before.iter().all(|before| now.next().is_some_and(|now| now >= before + times))
        })
        .await;
    };
    everybody_counts(10).await;
    server.stop().await;
    everybody_counts(20).await;
    is_over.store(true, Ordering::Relaxed);
    let failed = people.join_all().await.into_iter().sum();
    others.stop().await;
    println!("{failed} requests failed when the first worker ended");
    failed
}

/// Made where there is no runtime, on which the store could begin anything.
fn shared(config: String) -> Shared {
    std::thread::spawn(move || {
        let directory = Directory::new();
        let file = directory.write("session.toml", &config);
        let metrics = Metrics::new().expect("metrics");
        let config = portal::config(Some(file.as_ref())).expect("a configuration");
        let sessions = config.meter(metrics.meter()).build().expect("sessions");
        Shared::new(sessions, metrics, DebugHeaders::On)
    })
    .join()
    .expect("no panic")
}

/// A server of actix-web within the test.
struct Server {
    handle: ServerHandle,
    url: String,
    running: JoinHandle<std::io::Result<()>>,
}

impl Server {
    fn start(shared: &Shared, workers: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let shared = shared.clone();
        let server = HttpServer::new(move || app(shared.clone())).workers(workers);
        let server = server.disable_signals().listen(listener).expect("a listener").run();
        Self { handle: server.handle(), url, running: tokio::spawn(server) }
    }

    fn client(&self) -> Client {
        Client::new(self.url.clone())
    }

    async fn stop(self) {
        self.handle.stop(true).await;
        self.running.await.expect("no panic").expect("an end without an error");
    }
}

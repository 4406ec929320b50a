//! A server that is not there yet.

use futures_util::future::join_all;
use session_core::{ErrorKind, Load, Store as _};
use session_testkit::proxy::{Direction, Fault, Proxy};
use session_testkit::sample;
use session_testkit::servers::{Postgres, Stopwatch};
use tokio::runtime::Handle;

use super::calls::{Sessions, assert_in_time, assert_refused, owned};
use super::patience::for_ms;
use super::{DEADLINE, LONG, RECOVERY, open, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_later_is_found() {
    let postgres = Postgres::start().await;
    postgres.kill();
    let store = open(&postgres.url(), "absent");
    for _ in 0..20 {
        let start = Stopwatch::start();
        let loaded = store.load(&sample::key(), Load::default()).await;
        assert_refused(loaded, ErrorKind::Unavailable, None);
        // Whoever is refused does not wait.
        assert_in_time(&start, std::time::Duration::ZERO);
        for_ms(5).await;
    }
    postgres.restart().await;
    works(&store).await;
    Sessions::create(&store).await.assert_recovered(&postgres, "absent").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_at_first_is_found() {
    let postgres = Postgres::start().await;
    let proxy = Proxy::start(postgres.address()).await;
    proxy.set(Fault::Blackhole(Direction::Both)).await;
    let (login, _) =
        postgres.url().split_once('@').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let store = open(&format!("{login}@{}/app", proxy.address()), "silent");
    let before = Handle::current().metrics().num_alive_tasks();
    for _ in 0..4 {
        let calls = (0..50).map(|_| async {
            let start = Stopwatch::start();
            let loaded = store.load(&sample::key(), Load::default()).await;
            assert_refused(loaded, ErrorKind::Timeout, None);
            assert_in_time(&start, DEADLINE);
        });
        join_all(calls).await;
    }
    // What nobody waits for any more is not waited for behind the scenes either.
    until("tasks to end", LONG, async || {
        Handle::current().metrics().num_alive_tasks() < before + 20
    })
    .await;
    // Not by an answer to what was asked of a server that was not there.
    proxy.set(Fault::Reset).await;
    proxy.heal().await;
    works(&store).await;
}

async fn works(store: &session_sql::SqlStore) {
    let found = until("a session to be created", RECOVERY, async || {
        store.create(&sample::key(), &owned("first")).await.is_ok()
    })
    .await;
    println!("the first write {found:?} after the server was there");
}

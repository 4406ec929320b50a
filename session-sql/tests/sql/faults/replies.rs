//! Replies that are cut, delayed or lost.

use std::net::SocketAddr;
use std::time::Duration;

use session_core::{ErrorKind, Load, Replaced, Revision, Store as _};
use session_sql::SqlStore;
use session_testkit::proxy::{Direction, Fault, Proxy};
use session_testkit::sample;
use session_testkit::servers::{Postgres, Stopwatch};

use super::calls::{Sessions, assert_in_time, assert_refused, owned};
use super::patience::for_ms;
use super::{CONNECTIONS, LONG, REST, builder, until};

/// A server behind a proxy.
struct Fixture {
    postgres: Postgres,
    proxy: Proxy,
}

impl Fixture {
    async fn start() -> Self {
        let postgres = Postgres::start().await;
        let proxy = Proxy::start(postgres.address()).await;
        Self { postgres, proxy }
    }

    fn url(&self) -> String {
        let url = self.postgres.url();
        format!("{}@{}/app", url.split_once('@').unwrap().0, self.proxy.address())
    }

    fn open(&self, through_pooler: bool) -> SqlStore {
        let builder = builder(&self.url(), "replies");
        match through_pooler {
            true => builder.through_transaction_pooler().build().unwrap(),
            false => builder.build().unwrap(),
        }
    }

    async fn recover(&self, sessions: &Sessions) {
        self.proxy.heal().await;
        until("loads that succeed", LONG, async || {
            sessions.load_some(2 * CONNECTIONS).await == 2 * CONNECTIONS
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_cut_or_drips_is_one_reply_or_none() {
    let fixture = Fixture::start().await;
    for through_pooler in [false, true] {
        let sessions = Sessions::create(&fixture.open(through_pooler)).await;
        let (mut succeeded, mut all) = (0, 0);
        // The last leaves room for the longest reply, whatever the lengths are.
        for bytes in (0..60).step_by(12).chain((60..3_000).step_by(491)).chain([7_000]) {
            fixture.recover(&sessions).await;
            fixture.proxy.set(Fault::CutAfter(bytes)).await;
            succeeded += sessions.load_some(2 * CONNECTIONS).await;
            all += 2 * CONNECTIONS;
        }
        println!("{succeeded} of {all} loads succeeded before they were cut");
        assert!(succeeded > 0 && succeeded < all);

        fixture.recover(&sessions).await;
        fixture.proxy.set(Fault::Drip(Duration::ZERO)).await;
        let dripping = sessions.load_some(2 * CONNECTIONS).await;
        println!("{dripping} of {} loads came byte by byte", 2 * CONNECTIONS);
        fixture.recover(&sessions).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_in_either_direction_is_a_timeout_and_passes() {
    let fixture = Fixture::start().await;
    for through_pooler in [false, true] {
        let sessions = Sessions::create(&fixture.open(through_pooler)).await;
        for direction in [Direction::ToServer, Direction::ToClient] {
            fixture.recover(&sessions).await;
            fixture.proxy.set(Fault::Blackhole(direction)).await;
            assert_eq!(sessions.load_some(2 * CONNECTIONS).await, 0);
            // What was held back arrives now, and is nobody's any more.
            fixture.recover(&sessions).await;
        }
    }
}

/// Something in between has forgotten them, and tells nobody.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_fall_silent_at_rest_are_replaced_within_a_deadline() {
    let fixture = Fixture::start().await;
    // With time enough for another connection on a busy machine.
    let time = Duration::from_secs(2);
    let store = builder(&fixture.url(), "replies").timeout(time).build().unwrap();
    let sessions = Sessions::create_patiently(&store).await;
    sessions.assert_at_full_capacity(&fixture.postgres, "replies").await;
    let open = "SELECT client_port FROM pg_stat_activity WHERE usename = 'app'";
    let ports = fixture.postgres.query(open).await;
    let connections: Vec<SocketAddr> =
        ports.lines().map(|port| ([127, 0, 0, 1], port.parse().unwrap()).into()).collect();
    assert_eq!(connections.len(), CONNECTIONS);
    fixture.proxy.set_on(&connections, Fault::Blackhole(Direction::Both)).await;
    for_ms(REST).await;
    let start = Stopwatch::start();
    sessions.store.create(&sample::key(), &owned("rested")).await.unwrap();
    assert_in_time(&start, time);
    assert_eq!(sessions.load_some(2 * CONNECTIONS).await, 2 * CONNECTIONS);
}

/// Where a write finds the session at another revision, it takes a second statement to say so.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_told_within_one_deadline() {
    let fixture = Fixture::start().await;
    let time = Duration::from_secs(2);
    let store = builder(&fixture.url(), "conflict").timeout(time).max_connections(1);
    let store = store.build().unwrap();
    let (key, record) = (sample::key(), owned("anna"));
    until("a session", LONG, async || store.create(&key, &record).await.is_ok()).await;
    let stale = Revision::new(7);
    for _ in 0..2 {
        let replaced = store.replace(&key, &record, stale).await.unwrap();
        assert!(matches!(replaced, Replaced::Conflict(_)), "{replaced:?}");
    }
    // Three fifths of a deadline for each statement.
    fixture.proxy.set(Fault::Delay(time.mul_f64(0.3))).await;
    store.load(&key, Load::default()).await.unwrap();
    assert_refused(store.replace(&key, &record, stale).await, ErrorKind::Timeout, None);
}

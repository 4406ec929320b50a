//! Calls that are dropped, or whose time is up, in the middle of anything.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use session_core::{
    Created, ErrorKind, Key, Load, Loaded, Record, Replaced, Store as _, Subject, Touch,
};
use session_sql::SqlStore;
use session_testkit::proxy::{Fault, Proxy};
use session_testkit::sample;
use session_testkit::servers::{Postgres, Stopwatch};
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

use super::calls::{FIRST, Sessions, Targets, is_owned, owned};
use super::server::Server;
use super::{CONNECTIONS, LONG, builder, open, until};
use crate::fixture;

/// Calls that are dropped on each kind of database.
const CANCELLATIONS: usize = 1_000;
/// Calls whose time is up, as well.
const LATE: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_calls_on_postgres_leave_nothing_behind() {
    check(&start_trusting().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_transactions_that_run_out_of_time_leave_nothing_behind() {
    let postgres = start_trusting().await;
    let proxy = Proxy::start(postgres.address()).await;
    let url = through(&postgres.url(), &proxy);
    let store = builder(&url, "late").through_transaction_pooler().timeout(HURRY).build().unwrap();
    run_out_of_time(&postgres, &proxy, &store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_calls_on_sqlite_leave_nothing_behind() {
    let folder = fixture::folder();
    let url = fixture::url_of(&folder);
    let store = fixture::builder(&url, "dropped").max_connections(CONNECTIONS).build().unwrap();
    drop_calls(&store).await;
    let sessions = Sessions::create(&store).await;
    sessions.assert_intact().await;
    for answered in Targets::create(&store).await.call_all().await {
        answered.answer.unwrap();
    }
}

pub(super) async fn check<S: Server>(server: &S) {
    let patient = fixture::builder(&server.url(), "dropped").max_connections(CONNECTIONS);
    drop_calls(&patient.build().unwrap()).await;
    let sessions = Sessions::create(&open(&server.url(), "dropped")).await;
    sessions.assert_at_full_capacity(server, "dropped").await;
    drop(sessions);

    let proxy = Proxy::start(server.address()).await;
    let store = builder(&through(&server.url(), &proxy), "late").timeout(HURRY).build().unwrap();
    run_out_of_time(server, &proxy, &store).await;
    drop(store);

    end_runtime(server).await;
}

/// A server that asks for no password. To prove that one knows it takes longer than all the rest.
async fn start_trusting() -> Postgres {
    let postgres = Postgres::start().await;
    let access = "local all all trust\nhost all all 127.0.0.1/32 trust";
    postgres
        .query(&format!(
            "DO $$ BEGIN EXECUTE format('COPY (SELECT regexp_split_to_table(%L, ''\n'')) TO %L', \
             '{access}', current_setting('hba_file')); END $$; SELECT pg_reload_conf()"
        ))
        .await;
    postgres
}

/// The URL of the same database, by way of a proxy.
fn through(url: &str, proxy: &Proxy) -> String {
    let (login, rest) = url.split_once('@').unwrap();
    let (_, database) = rest.split_once('/').unwrap();
    format!("{login}@{}/{database}", proxy.address())
}

/// Calls whose callers go away. The store's time is long enough: no other call may fail.
async fn drop_calls(store: &SqlStore) {
    const TASKS: usize = 8;
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            let owner = format!("owner-{number}");
            let (mut dropped, mut answered) = (0, 0);
            while dropped < CANCELLATIONS / TASKS {
                let (key, record) = create(&store, &owner).await;
                match impatient(call(&store, &owner, &key, &record)).await {
                    Some(_) => answered += 1,
                    None => dropped += 1,
                }
                // Another one, whose answer is known.
                let (key, record) = create(&store, &owner).await;
                let loaded = store.load(&key, Load::default()).await.unwrap();
                let Loaded::Found { record: found, .. } = loaded else { panic!("{loaded:?}") };
                assert!(found.payload == record.payload, "a reply to another call");
            }
            answered
        });
    }
    let answered: usize = tasks.join_all().await.into_iter().sum();
    println!("{CANCELLATIONS} calls dropped, {answered} answered in {:?}", start.elapsed());
    assert!(answered > 0);
}

async fn create(store: &SqlStore, owner: &str) -> (Key, Record) {
    let (key, record) = (sample::key(), owned(owner));
    let created = store.create(&key, &record).await.unwrap();
    assert!(matches!(created, Created::Created(_)), "{created:?}");
    (key, record)
}

/// A call of any kind about somebody's session, and whether it was answered in time.
async fn call(store: &SqlStore, owner: &str, key: &Key, record: &Record) -> bool {
    let new = owned(owner);
    let answer = match fastrand::u8(..7) {
        0 => store.load(key, Load::default()).await.map(|loaded| {
            let Loaded::Found { record, .. } = loaded else { panic!("{loaded:?}") };
            assert!(is_owned(&record, owner), "a reply to another call");
        }),
        1 => store.create(key, &new).await.map(|created| assert_eq!(created, Created::Duplicate)),
        2 => store.replace(key, &new, FIRST).await.map(|replaced| {
            assert!(matches!(replaced, Replaced::Replaced(_)), "{replaced:?}");
        }),
        3 => {
            let beside = sample::key_beside(key);
            store.rotate(key, &beside, &new, FIRST).await.map(|rotated| {
                assert!(matches!(rotated, Replaced::Replaced(_)), "{rotated:?}");
            })
        }
        4 => {
            let touches = [*key, sample::key()];
            let touches = touches.map(|key| Touch { key, idle_deadline: record.absolute_deadline });
            store.touch(&touches).await.map(|touched| assert_eq!(touched.len(), 2))
        }
        5 => store.delete(key).await.map(|deleted| assert!(deleted)),
        _ => {
            let subject = Subject::new(owner).unwrap();
            store.subjects().unwrap().list(&subject, None, 3).await.map(|page| {
                assert!(page.sessions.iter().all(|(_, record)| is_owned(record, owner)));
            })
        }
    };
    match answer {
        Ok(()) => true,
        Err(error) => {
            let kinds = [ErrorKind::Timeout, ErrorKind::Unavailable];
            assert!(kinds.contains(&error.kind()), "{error:?}");
            false
        }
    }
}

/// Drops a call at a random moment: after some microseconds, or after it was polled some times.
async fn impatient<T>(call: impl Future<Output = T>) -> Option<T> {
    if fastrand::bool() {
        return timeout(Duration::from_micros(fastrand::u64(..4_000)), call).await.ok();
    }
    let polled = async {
        for _ in 0..fastrand::u8(1..8) {
            yield_now().await;
        }
    };
    tokio::select! {
        biased;
        answer = call => Some(answer),
        () = polled => None,
    }
}

/// T, where calls are to run out of time.
const HURRY: Duration = Duration::from_millis(50);

/// Calls that run out of time wherever they happen to be: waiting for a connection, in the middle
/// of making one, and between any two messages of a statement or a transaction.
async fn run_out_of_time(server: &impl Server, proxy: &Proxy, store: &SqlStore) {
    let sessions = Sessions::create(store).await;
    let start = Instant::now();
    let (late, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut rounds = 0;
    while late.load(Ordering::Relaxed) < LATE {
        // On connections that are sound, as far as the store knows.
        until("sound connections", LONG, async || {
            sessions.load_some(2 * CONNECTIONS).await == 2 * CONNECTIONS
        })
        .await;
        let targets = (0..5 * CONNECTIONS).map(|number| async move {
            let (owner, key) = (format!("late-{number}"), sample::key());
            let record = owned(&owner);
            store.create(&key, &record).await.is_ok().then_some((owner, key, record))
        });
        let targets = join_all(targets).await;
        proxy.set(Fault::Delay(HURRY.mul_f64(fastrand::f64() * 0.6))).await;
        let calls = targets.iter().flatten().map(|(owner, key, record)| async {
            match call(store, owner, key, record).await {
                true => answered.fetch_add(1, Ordering::Relaxed),
                false => late.fetch_add(1, Ordering::Relaxed),
            }
        });
        join_all(calls).await;
        proxy.heal().await;
        rounds += 1;
    }
    println!("{late:?} calls late, {answered:?} answered, {rounds} rounds, {:?}", start.elapsed());
    server.settled(CONNECTIONS).await;
    sessions.assert_at_full_capacity(server, "late").await;
    until("all sessions to be loaded", LONG, async || {
        sessions.load_some(2 * CONNECTIONS).await == 2 * CONNECTIONS
    })
    .await;
}

/// Calls whose runtime ends with them.
async fn end_runtime<S: Server>(server: &S) {
    let store = open(&server.url(), "ended");
    let sessions = Sessions::create(&store).await;
    let lock = server.lock("ended").await;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Again, if a busy machine has not seen them before their time was up.
    let mut touches = runtime.spawn(sessions.touches(CONNECTIONS));
    until("the calls to wait for the lock", LONG, async || {
        if touches.is_finished() {
            touches = runtime.spawn(sessions.touches(CONNECTIONS));
        }
        server.count(S::WAITING).await > 0
    })
    .await;
    let watch = Stopwatch::start();
    tokio::task::spawn_blocking(move || runtime.shutdown_timeout(LONG)).await.unwrap();
    assert!(watch.elapsed() < Duration::from_secs(1), "it took {:?}", watch.elapsed());
    lock.release().await;
    sessions.assert_recovered(server, "ended").await;
}

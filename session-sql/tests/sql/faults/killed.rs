//! Connections that are closed by the server, and a server that is killed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use session_core::{ErrorKind, Key, Load, Loaded, Store as _};
use session_sql::SqlStore;
use session_testkit::sample;
use session_testkit::servers::Postgres;
use tokio::task::JoinHandle;

use super::calls::{Sessions, Targets, assert_failed, is_owned, owned};
use super::patience::for_ms;
use super::server::Server;
use super::{CONNECTIONS, LONG, RECOVERY, REST, SLACK, open, open_patient, until};

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_server_closes_cost_one_write_at_most() {
    check_terminated(&Postgres::start().await, "terminated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_found_dead_at_once_and_has_lost_nothing() {
    check_killed(&Postgres::start().await, "killed").await;
}

pub(super) async fn check_terminated(server: &impl Server, namespace: &str) {
    let store = open_patient(&server.url(), namespace);
    let sessions = Sessions::create_patiently(&store).await;
    for _ in 0..3 {
        sessions.assert_at_full_capacity(server, namespace).await;
        terminate(server).await;
        assert_eq!(sessions.load_some(CONNECTIONS).await, CONNECTIONS);
    }
    for _ in 0..3 {
        sessions.assert_at_full_capacity(server, namespace).await;
        terminate(server).await;
        // The first that fails tells of the others.
        let mut failed = 0;
        for _ in 0..2 * CONNECTIONS {
            let created = sessions.store.create(&sample::key(), &owned("late")).await;
            if let Err(error) = created {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                failed += 1;
            }
        }
        assert!(failed <= 1, "{failed} writes failed");
    }
    sessions.assert_at_full_capacity(server, namespace).await;
    terminate(server).await;
    // After a rest a connection is asked for a sign of life, and none fails.
    for_ms(REST).await;
    sessions.store.create(&sample::key(), &owned("rested")).await.unwrap();
    sessions.assert_recovered(server, namespace).await;
}

/// All that the pool has, and perhaps one that was given up and has not been closed yet.
async fn terminate(server: &impl Server) {
    let terminated = server.terminate().await;
    assert!(terminated >= CONNECTIONS, "{terminated} connections");
}

pub(super) async fn check_killed(server: &impl Server, namespace: &str) {
    let store = open(&server.url(), namespace);
    let sessions = Sessions::create(&store).await;
    let targets = Targets::create(&store).await;
    let writer = Writer::start(&store);
    until("some writes", LONG, async || writer.acknowledged.lock().unwrap().len() > 10).await;
    server.kill();
    // What was on its way may fail for another reason; and then refused is refused.
    assert_failed(&targets.call_all().await, &[ErrorKind::Unavailable], SLACK);
    assert_failed(&targets.call_all().await, &[ErrorKind::Unavailable], SLACK);
    server.restart().await;
    let ready = Instant::now();
    until("a session to be created", RECOVERY, async || {
        store.create(&sample::key(), &owned("late")).await.is_ok()
    })
    .await;
    println!("{namespace}: the first write {:?} after the server was ready", ready.elapsed());
    for_ms(100).await;
    let patient = open_patient(&server.url(), namespace);
    for key in &writer.stop().await {
        let loaded = patient.load(key, Load::default()).await.unwrap();
        let Loaded::Found { record, .. } = loaded else { panic!("an acknowledged write is lost") };
        assert!(is_owned(&record, "writer"));
    }
    // Its connections would be counted.
    drop(patient);
    sessions.assert_recovered(server, namespace).await;
}

/// Creates one session after the other, whatever becomes of them.
struct Writer {
    is_over: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<Key>>>,
    task: JoinHandle<()>,
}

impl Writer {
    fn start(store: &SqlStore) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (store, over) = (store.clone(), Arc::clone(&is_over));
        let acknowledged = Arc::<Mutex<Vec<Key>>>::default();
        let written = Arc::clone(&acknowledged);
        let task = tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let key = sample::key();
                match store.create(&key, &owned("writer")).await {
                    Ok(_) => written.lock().unwrap().push(key),
                    Err(_) => for_ms(5).await,
                }
            }
        });
        Self { is_over, acknowledged, task }
    }

    async fn stop(self) -> Vec<Key> {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        std::mem::take(&mut *self.acknowledged.lock().unwrap())
    }
}

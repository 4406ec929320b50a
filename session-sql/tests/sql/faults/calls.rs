//! Sessions of a test, and calls about them whose answers are looked at.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use session_core::{
    Clock as _, Created, Error, ErrorKind, Key, Load, Loaded, Payload, Record, Replaced, Revision,
    Store as _, Subject, SystemClock, Touch, Touched,
};
use session_sql::SqlStore;
use session_testkit::sample;
use session_testkit::servers::Stopwatch;
use tokio::task::JoinHandle;

use super::server::Server;
use super::{CONNECTIONS, DEADLINE, LONG, RECOVERY, SLACK, until};
use crate::fixture;
use crate::outsider::Outsider;

pub(super) const FIRST: Revision = Revision::new(1);

/// Sessions that nobody changes, each with a payload that says whose it is.
#[derive(Clone)]
pub(super) struct Sessions {
    pub(super) store: SqlStore,
    sessions: Arc<Vec<(Key, Record)>>,
    /// How long a call takes, at most.
    limit: Duration,
}

/// A record whose payload begins with its owner's name, of a length that is like few others'.
pub(super) fn owned(owner: &str) -> Record {
    let payload = format!("{owner} {}", "x".repeat(fastrand::usize(..4_000)));
    let subject = Some(Subject::new(owner).unwrap());
    Record { payload: Payload::new(payload), subject, ..sample::record(SystemClock.now()) }
}

/// Whether a record is that owner's.
pub(super) fn is_owned(record: &Record, owner: &str) -> bool {
    record.payload.as_bytes().starts_with(format!("{owner} ").as_bytes())
        && record.subject.as_ref().is_some_and(|subject| subject.as_str() == owner)
}

/// Creates a session, however often the machine is too busy for that.
async fn create(store: &SqlStore, record: &Record) -> Key {
    let key = sample::key();
    until("a session to be created", LONG, async || store.create(&key, record).await.is_ok()).await;
    key
}

impl Sessions {
    pub(super) async fn create(store: &SqlStore) -> Self {
        Self::create_within(store, DEADLINE).await
    }

    /// Of a store whose calls take so long at most.
    pub(super) async fn create_within(store: &SqlStore, limit: Duration) -> Self {
        let mut sessions = Vec::new();
        for number in 0..16 {
            let record = owned(&format!("owner-{number}"));
            sessions.push((create(store, &record).await, record));
        }
        Self { store: store.clone(), sessions: Arc::new(sessions), limit }
    }

    /// Of a store that has more time than others.
    pub(super) async fn create_patiently(store: &SqlStore) -> Self {
        Self::create_within(store, fixture::TIMEOUT).await
    }

    /// The same, seen through another store.
    pub(super) fn through(&self, store: &SqlStore) -> Self {
        Self { store: store.clone(), ..self.clone() }
    }

    /// Loads one of them. An answer must be its own.
    pub(super) async fn load_one(&self) -> Result<(), Error> {
        let (key, record) = &self.sessions[fastrand::usize(..self.sessions.len())];
        let found = match self.store.load(key, Load::default()).await? {
            Loaded::Found { record, .. } => record,
            other => panic!("a session that was acknowledged is gone: {other:?}"),
        };
        assert!(found.payload == record.payload, "a reply to another call");
        assert!(sample::differences(&found, record).iter().all(|part| *part == "idle_deadline"));
        Ok(())
    }

    /// Loads some of them at once, and tells how many loads succeeded.
    pub(super) async fn load_some(&self, count: usize) -> usize {
        let loads = (0..count).map(|_| async {
            let start = Stopwatch::start();
            let loaded = self.load_one().await;
            assert_in_time(&start, self.limit);
            loaded
        });
        join_all(loads).await.into_iter().filter(Result::is_ok).count()
    }

    /// That every one is there, as it was written.
    pub(super) async fn assert_intact(&self) {
        for (key, record) in self.sessions.iter() {
            let loaded = self.store.load(key, Load::default()).await.unwrap();
            let Loaded::Found { record: found, .. } = loaded else { panic!("a session is gone") };
            assert!(found.payload == record.payload, "a session was overwritten");
        }
    }

    /// Touches some of them, each with a call of its own.
    pub(super) fn touches(
        &self,
        count: usize,
    ) -> impl Future<Output = Vec<Result<(), Error>>> + Send + use<> {
        let calls = self.sessions.iter().take(count).map(|(key, record)| {
            let (store, key, until) = (self.store.clone(), *key, record.idle_deadline);
            let limit = self.limit;
            let touch = Touch { key, idle_deadline: until.plus(Duration::from_millis(1)) };
            async move {
                let start = Stopwatch::start();
                let touched = store.touch(&[touch]).await;
                assert_in_time(&start, limit);
                touched.map(|touched| assert_eq!(touched, [Touched::Done]))
            }
        });
        join_all(calls.collect::<Vec<_>>())
    }

    /// Touches that wait for a lock on every connection, seen there. However often the machine is too
    /// busy to see them before their time is up.
    pub(super) async fn wait_on_all<S: Server>(
        &self,
        server: &S,
    ) -> JoinHandle<Vec<Result<(), Error>>> {
        let mut watcher = Outsider::connect(&server.url()).await;
        let start = Stopwatch::start();
        loop {
            let touches = tokio::spawn(self.touches(CONNECTIONS));
            while !touches.is_finished() {
                if watcher.ask(S::WAITING).await == CONNECTIONS {
                    return touches;
                }
            }
            assert!(start.elapsed() < LONG, "waited for connections to wait for a lock");
        }
    }

    /// That the store has all of its connections: with a lock held by somebody else, so many of its
    /// calls wait at the server at the same time, and all of them succeed once it is free.
    pub(super) async fn assert_at_full_capacity<S: Server>(&self, server: &S, namespace: &str) {
        until("all connections of the pool to be used at once", LONG, async || {
            // By somebody else, since whoever is in a transaction sees what was so when it began.
            let mut watcher = Outsider::connect(&server.url()).await;
            let lock = server.lock(namespace).await;
            let touches = tokio::spawn(self.touches(CONNECTIONS + 2));
            while !touches.is_finished() {
                if watcher.ask(S::WAITING).await == CONNECTIONS {
                    lock.release().await;
                    let touched = touches.await.unwrap();
                    // Whether they had waited for too long by then is a matter of luck.
                    return touched.into_iter().all(|touched| touched.is_ok());
                }
            }
            lock.release().await;
            false
        })
        .await;
        server.settled(CONNECTIONS).await;
    }

    /// That all is well: at once, for calls of every kind, on every connection.
    pub(super) async fn assert_recovered(&self, server: &impl Server, namespace: &str) {
        let recovered = until("a session to be created", RECOVERY, async || {
            self.store.create(&sample::key(), &owned("late")).await.is_ok()
        })
        .await;
        println!("{namespace}: well again after {recovered:?}");
        self.assert_at_full_capacity(server, namespace).await;
        // The machine may be too busy now and then.
        until("every call to succeed", LONG, async || {
            let answers = Targets::create(&self.store).await.call_all().await;
            answers.into_iter().all(|answered| answered.answer.is_ok())
        })
        .await;
        self.assert_intact().await;
    }
}

#[track_caller]
pub(super) fn assert_in_time(start: &Stopwatch, limit: Duration) {
    let elapsed = start.elapsed();
    assert!(elapsed < limit + SLACK, "it took {elapsed:?}, with a limit of {limit:?}");
}

/// Sessions for one call of each kind.
pub(super) struct Targets {
    store: SqlStore,
    owner: String,
    loaded: Key,
    replaced: Key,
    rotated: Key,
    touched: Key,
    deleted: Key,
}

/// What became of a call.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) call: &'static str,
    pub(super) answer: Result<(), Error>,
    pub(super) took: Duration,
}

impl Targets {
    pub(super) async fn create(store: &SqlStore) -> Self {
        let owner = format!("target-{}", fastrand::u64(..));
        let create = async || create(store, &owned(&owner)).await;
        Self {
            loaded: create().await,
            replaced: create().await,
            rotated: create().await,
            touched: create().await,
            deleted: create().await,
            store: store.clone(),
            owner,
        }
    }

    /// The same sessions, through another store.
    pub(super) fn through(self, store: &SqlStore) -> Self {
        Self { store: store.clone(), ..self }
    }

    /// One call of each kind that writes, all at once.
    pub(super) async fn write_all(&self) -> Vec<Answered> {
        join_all(self.writes()).await
    }

    /// One call of each kind that writes, one after the other.
    pub(super) async fn write_each(&self) -> Vec<Answered> {
        let mut answers = Vec::new();
        for write in self.writes() {
            answers.push(write.await);
        }
        answers
    }

    fn writes(&self) -> Vec<BoxFuture<'_, Answered>> {
        let (store, record) = (&self.store, Arc::new(owned(&self.owner)));
        let [created, replaced, rotated] = [&record, &record, &record].map(Arc::clone);
        vec![
            timed("create", async move {
                let created = store.create(&sample::key(), &created).await?;
                assert!(matches!(created, Created::Created(_)), "{created:?}");
                Ok(())
            }),
            timed("replace", async move {
                let replaced = store.replace(&self.replaced, &replaced, FIRST).await?;
                assert!(matches!(replaced, Replaced::Replaced(_)), "{replaced:?}");
                Ok(())
            }),
            timed("rotate", async move {
                let beside = sample::key_beside(&self.rotated);
                let rotated = store.rotate(&self.rotated, &beside, &rotated, FIRST).await?;
                assert!(matches!(rotated, Replaced::Replaced(_)), "{rotated:?}");
                Ok(())
            }),
            timed("touch", async move {
                let touch = [Touch { key: self.touched, idle_deadline: record.absolute_deadline }];
                assert_eq!(store.touch(&touch).await?, [Touched::Done]);
                Ok(())
            }),
            timed("delete", async {
                assert!(store.delete(&self.deleted).await?);
                Ok(())
            }),
            timed("purge_expired", async { store.purge_expired(10).await.map(drop) }),
        ]
    }

    /// One call of each kind that reads, all at once.
    pub(super) async fn read_all(&self) -> Vec<Answered> {
        let (store, subject) = (&self.store, Subject::new(&*self.owner).unwrap());
        let reads: Vec<BoxFuture<'_, Answered>> = vec![
            timed("load", async {
                let loaded = store.load(&self.loaded, Load::default()).await?;
                let Loaded::Found { record, .. } = loaded else { panic!("{loaded:?}") };
                assert!(is_owned(&record, &self.owner), "a reply to another call");
                Ok(())
            }),
            timed("load known", async {
                let loaded = store.load(&self.loaded, Load::default().known(FIRST)).await?;
                assert!(matches!(loaded, Loaded::Unchanged { .. }), "{loaded:?}");
                Ok(())
            }),
            timed("list", async move {
                let page = store.subjects().unwrap().list(&subject, None, 100).await?;
                assert!(page.sessions.iter().all(|(_, record)| is_owned(record, &self.owner)));
                assert!(!page.sessions.is_empty());
                Ok(())
            }),
        ];
        join_all(reads).await
    }

    /// One call of each kind, all at once.
    pub(super) async fn call_all(&self) -> Vec<Answered> {
        let (mut reads, writes) = tokio::join!(self.read_all(), self.write_all());
        reads.extend(writes);
        reads
    }
}

fn timed<'c>(
    call: &'static str,
    answer: impl Future<Output = Result<(), Error>> + Send + 'c,
) -> BoxFuture<'c, Answered> {
    Box::pin(async move {
        let start = Stopwatch::start();
        let answer = answer.await;
        Answered { call, answer, took: start.elapsed() }
    })
}

/// That all of them failed in time, in one of these ways.
#[track_caller]
pub(super) fn assert_failed(answers: &[Answered], kinds: &[ErrorKind], limit: Duration) {
    for Answered { call, answer, took } in answers {
        let Err(error) = answer else { panic!("{call} succeeded") };
        assert!(kinds.contains(&error.kind()), "{call}: {error:?}");
        assert!(*took < limit + SLACK, "{call} failed after {took:?}: {error:?}");
        assert!(error.operation().is_some(), "{call}: {error:?}");
    }
}

/// That this is of such a kind, with the database's code if there has to be one.
#[track_caller]
pub(super) fn assert_refused<T: Debug>(
    answer: Result<T, Error>,
    kind: ErrorKind,
    code: Option<&str>,
) -> Error {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), kind, "{error:?}");
    if let Some(code) = code {
        assert_eq!(error.context("code"), Some(code), "{error:?}");
    }
    error
}

//! What is the same whatever a server refuses for.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use session_core::{
    Clock as _, Created, Error, ErrorKind, Key, Load, Loaded, Record, Revision, Store as _,
    SystemClock, Touch,
};
use session_redis::{RedisStore, RedisStoreBuilder, Topology};
use session_testkit::proxy::Proxy;
use session_testkit::sample;
use session_testkit::servers::{Redis, RedisBuilder, Stopwatch};

use super::patience::{for_ms, until};
use super::{DEADLINE, RECOVERY, SLACK, builder, open};
use crate::fixture::TIMEOUT;

/// A store that is connected to a server which is about to refuse, and a session on it.
pub(super) struct Fixture {
    pub(super) redis: Redis,
    /// Where the store connects to; the proxy, unless told otherwise.
    address: SocketAddr,
    proxy: Proxy,
    pub(super) store: RedisStore,
    login: fn(RedisStoreBuilder) -> RedisStoreBuilder,
    session: Key,
    record: Record,
    /// Keys that were written to in vain.
    refused: Mutex<Vec<Key>>,
}

/// What is refused, and how.
pub(super) struct Refused {
    kind: ErrorKind,
    code: &'static str,
    reads: bool,
    deletes: bool,
    touches: bool,
    /// Whether the server hangs up, and its last words may go unheard.
    hangs_up: bool,
}

impl Refused {
    /// Writes are refused, and reads are not.
    pub(super) fn with(kind: ErrorKind, code: &'static str) -> Self {
        Self { kind, code, reads: false, deletes: true, touches: true, hangs_up: false }
    }

    pub(super) fn and_reads(self) -> Self {
        Self { reads: true, ..self }
    }

    pub(super) fn but_deletes(self) -> Self {
        Self { deletes: false, ..self }
    }

    pub(super) fn but_touches(self) -> Self {
        Self { touches: false, ..self }
    }

    pub(super) fn and_hangs_up(self) -> Self {
        Self { hangs_up: true, ..self }
    }

    fn check<T: Debug>(&self, what: &str, answer: &Result<T, Error>) {
        let Err(error) = answer else { panic!("{what}: {answer:?}") };
        assert_eq!(error.kind(), self.kind, "{what}: {error:?}");
        if error.context("code").is_some() || !self.hangs_up {
            assert_eq!(error.context("code"), Some(self.code), "{what}: {error:?}");
        }
    }
}

impl Fixture {
    pub(super) async fn start(redis: RedisBuilder) -> Self {
        let redis = redis.start().await;
        let proxy = Proxy::start(redis.address()).await;
        let own = open(Topology::single(&redis.url()));
        let (session, record) = (sample::key(), sample::record(SystemClock.now()));
        own.create(&session, &record).await.unwrap();
        let mut fixture = Self {
            store: own,
            redis,
            address: proxy.address(),
            proxy,
            login: |builder| builder,
            session,
            record,
            refused: Mutex::default(),
        };
        fixture.store = fixture.fresh();
        fixture.store.load(&session, Load::default()).await.unwrap();
        fixture
    }

    /// A store that has never been connected.
    pub(super) fn fresh(&self) -> RedisStore {
        let topology = Topology::single(&format!("redis://{}", self.address));
        (self.login)(builder(topology)).timeout(TIMEOUT).build().unwrap()
    }

    /// Goes on without the proxy, which relays a server's last words only if it is lucky.
    pub(super) fn connect_directly(&mut self) {
        self.address = self.redis.address();
        self.store = self.fresh();
    }

    /// Goes on as somebody else.
    pub(super) fn log_in(&mut self, login: fn(RedisStoreBuilder) -> RedisStoreBuilder) {
        self.login = login;
        self.store = self.fresh();
    }

    pub(super) async fn other_session(&self) -> Key {
        let key = sample::key();
        self.store.create(&key, &self.record).await.unwrap();
        key
    }

    /// Whether a read is refused with this code.
    pub(super) async fn is_refused(&self, code: &str) -> bool {
        let loaded = self.store.load(&self.session, Load::default()).await;
        loaded.is_err_and(|error| error.context("code") == Some(code))
    }

    /// That calls are refused as they should be, by a store that was connected before and by one
    /// that was not, and that neither storms the server.
    pub(super) async fn assert_refused(&self, refused: Refused) {
        let (start, before) = (Instant::now(), self.proxy.accepted());
        // The first calls may find out more than one thing.
        let stores = [self.store.clone(), self.fresh()];
        let mut calls = 0;
        while start.elapsed() < Duration::from_millis(1_000) {
            for store in &stores {
                self.try_all(store, &refused).await;
                calls += 1;
            }
            for_ms(5).await;
        }
        let accepted = self.proxy.accepted() - before;
        println!(
            "F15: {}: {accepted} connections of two stores in {:?} and {calls} rounds of calls",
            refused.code,
            start.elapsed()
        );
        assert!(accepted <= 20, "{accepted} connections");
    }

    async fn try_all(&self, store: &RedisStore, refused: &Refused) {
        let (session, record) = (&self.session, &self.record);
        let (new, beside) = (sample::key(), sample::key_beside(session));
        self.refused.lock().unwrap().extend([new, beside]);
        let one = Revision::new(1);
        let start = Stopwatch::start();
        refused.check("create", &store.create(&new, record).await);
        refused.check("replace", &store.replace(session, record, one).await);
        refused.check("rotate", &store.rotate(session, &beside, record, one).await);
        let touch = Touch { key: *session, idle_deadline: record.idle_deadline };
        let touched = store.touch(&[touch]).await;
        if refused.touches {
            refused.check("touch", &touched);
        }
        if refused.deletes {
            refused.check("delete", &store.delete(session).await);
        }
        let loaded = store.load(session, Load::default()).await;
        let known = store.load(session, Load::default().known(one)).await;
        if refused.reads {
            refused.check("load", &loaded);
            refused.check("load known", &known);
        } else {
            assert!(matches!(loaded, Ok(Loaded::Found { .. })), "{loaded:?}");
            // By a script, for which one may lack the permission.
            if refused.code != "NOPERM" {
                assert!(matches!(known, Ok(Loaded::Unchanged { .. })), "{known:?}");
            }
        }
        assert!(start.elapsed() < DEADLINE + SLACK, "refused after {:?}", start.elapsed());
    }

    /// That all works again, and nothing that was refused was done.
    pub(super) async fn assert_unharmed(&self) {
        let stores = [self.store.clone(), self.fresh()];
        for store in &stores {
            until("the store to work again", RECOVERY, async || {
                let created = store.create(&sample::key(), &self.record).await;
                matches!(created, Ok(Created::Created(_)))
            })
            .await;
        }
        let found = self.store.load(&self.session, Load::default()).await.unwrap();
        let Loaded::Found { record, .. } = &found else { panic!("the session is gone") };
        assert_eq!(record.revision, Revision::new(1));
        let refused = std::mem::take(&mut *self.refused.lock().unwrap());
        for key in refused {
            let found = self.store.load(&key, Load::default()).await.unwrap();
            assert!(matches!(found, Loaded::Absent), "written all the same: {found:?}");
        }
    }
}

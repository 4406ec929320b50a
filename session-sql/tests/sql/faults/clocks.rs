//! Nodes whose clocks are an hour ahead, or behind.

use std::sync::Arc;
use std::time::Duration;

use session_core::{Clock as _, Key, Load, Loaded, Record, Store as _, Timestamp, Touch, Touched};
use session_sql::SqlStore;
use session_testkit::servers::{MariaDb, Postgres};
use session_testkit::{ManualClock, sample};

use crate::fixture;
use crate::outsider::Outsider;

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(flavor = "multi_thread")]
async fn wrong_clocks_make_no_session_immortal() {
    let folder = fixture::folder();
    check(&fixture::url_of(&folder)).await;
    let (postgres, mariadb) = tokio::join!(Postgres::start(), MariaDb::start());
    check(&postgres.url()).await;
    check(&mariadb.url()).await;
}

/// A store, and its idea of the time.
struct Node {
    store: SqlStore,
    clock: ManualClock,
}

impl Node {
    fn new(url: &str, ahead: i32) -> Self {
        let clock = ManualClock::default();
        // All begin three hours after the same beginning, give or take one.
        let begun = u32::try_from(3 + ahead).unwrap();
        clock.advance(HOUR * begun);
        let builder = fixture::builder(url, "clocks").clock(Arc::new(clock.clone()));
        Self { store: builder.build().unwrap(), clock }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A session that lives for half an hour without use, by this node's clock.
    async fn create(&self) -> (Key, Record) {
        let (key, record) = (sample::key(), sample::record(self.now()));
        self.store.create(&key, &record).await.unwrap();
        (key, record)
    }

    async fn finds(&self, key: &Key) -> bool {
        let loaded = self.store.load(key, Load::default()).await.unwrap();
        matches!(loaded, Loaded::Found { .. })
    }

    async fn touch(&self, key: &Key) -> Touched {
        let idle_deadline = self.now().plus(HOUR / 2);
        self.store.touch(&[Touch { key: *key, idle_deadline }]).await.unwrap()[0]
    }
}

async fn check(url: &str) {
    let (right, ahead, behind) = (Node::new(url, 0), Node::new(url, 1), Node::new(url, -1));
    let nodes = [&right, &ahead, &behind];
    let mut table = Outsider::connect(url).await;

    // To a node that is ahead, a session of another one has expired.
    let (key, _) = right.create().await;
    assert!(right.finds(&key).await && behind.finds(&key).await && !ahead.finds(&key).await);
    assert_eq!(ahead.touch(&key).await, Touched::Gone);
    // One that is behind does not take back what was granted.
    let before = idle_deadline(&right, &key).await;
    assert_eq!(behind.touch(&key).await, Touched::Done);
    assert_eq!(idle_deadline(&right, &key).await, before);
    // A log-out is one, whatever the node believes.
    assert!(!ahead.store.delete(&key).await.unwrap());
    assert!(!right.finds(&key).await, "the log-out was lost");
    assert_eq!(table.count("s_clocks").await, 0);

    // No early death beyond the skew: what has more than an hour left is nobody's to free.
    let (key, record) = right.create().await;
    let idle_deadline = record.created_at.plus(HOUR * 2);
    right.store.touch(&[Touch { key, idle_deadline }]).await.unwrap();
    assert_eq!(ahead.store.purge_expired(10).await.unwrap(), 0);
    assert!(ahead.finds(&key).await);

    // A session that is used everywhere, and others of every node, are dead everywhere in the end.
    let mut keys = vec![key];
    for node in nodes {
        keys.push(node.create().await.0);
    }
    for _ in 0..60 {
        for node in nodes {
            node.clock.advance(HOUR / 4);
            node.touch(&key).await;
        }
    }
    for node in nodes {
        for key in &keys {
            assert!(!node.finds(key).await, "it lives after fifteen hours");
        }
    }
    assert_eq!(behind.store.purge_expired(10).await.unwrap(), 4);
    assert_eq!(table.count("s_clocks").await, 0);
}

async fn idle_deadline(node: &Node, key: &Key) -> Timestamp {
    match node.store.load(key, Load::default()).await.unwrap() {
        Loaded::Found { record, .. } => record.idle_deadline,
        other => panic!("{other:?}"),
    }
}

//! Servers whose defaults are others than ours: connections have what they need, whatever those are.

use futures_util::future::join_all;
use session_core::{
    Clock as _, ErrorKind, Load, Loaded, Payload, Record, Store as _, Subject, SystemClock,
};
use session_sql::SqlStore;
use session_testkit::sample;
use session_testkit::servers::{MariaDb, Postgres};

use crate::fixture;

fn record(subject: &str) -> Record {
    let subject = Some(Subject::new(subject).unwrap());
    Record { subject, ..sample::record(SystemClock.now()) }
}

#[tokio::test]
async fn what_mariadb_acknowledges_is_committed_and_says_what_was_said() {
    let server = MariaDb::builder()
        .config("autocommit", 0)
        .config("sql_mode", "")
        .config("character_set_server", "latin1")
        .config("max_allowed_packet", "64M")
        .start()
        .await;
    let url = format!("{}?charset=latin1&collation=latin1_bin", server.url());
    let [one, other] = [0; 2].map(|_| fixture::builder(&url, "defaults").build().unwrap());
    // As ?? in Latin-1, both of them.
    for subject in ["李四", "张三", "👩‍💻"] {
        let (key, record) = (sample::key(), record(subject));
        one.create(&key, &record).await.unwrap();
        let Loaded::Found { record: found, .. } = other.load(&key, Load::default()).await.unwrap()
        else {
            panic!("it was not committed")
        };
        assert_eq!(found.subject, record.subject);
        let listed = other.subjects().unwrap();
        let page = listed.list(record.subject.as_ref().unwrap(), None, 10).await.unwrap();
        assert_eq!(page.sessions.len(), 1);
        assert!(one.delete(&key).await.unwrap());
        assert!(matches!(other.load(&key, Load::default()).await.unwrap(), Loaded::Absent));
    }

    // Longer than the column holds, and not cut off.
    let payload = Payload::new(vec![b'x'; 17 << 20]);
    let (key, record) = (sample::key(), Record { payload, ..record("anna") });
    let error = one.create(&key, &record).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error:?}");
    assert!(matches!(other.load(&key, Load::default()).await.unwrap(), Loaded::Absent));
}

#[tokio::test]
async fn postgres_is_used_at_one_level_of_isolation() {
    let repeatable = "repeatable read";
    let server =
        Postgres::builder().config("default_transaction_isolation", repeatable).start().await;
    let open = |pooler: bool| -> SqlStore {
        let builder = fixture::builder(&server.url(), if pooler { "pooled" } else { "direct" });
        let builder = if pooler { builder.through_transaction_pooler() } else { builder };
        builder.build().unwrap()
    };
    for pooler in [false, true] {
        // At the other level, who waits for the first does not see what it has made.
        let nodes: Vec<SqlStore> = (0..6).map(|_| open(pooler)).collect();
        for migrated in join_all(nodes.iter().map(SqlStore::migrate)).await {
            migrated.unwrap();
        }
        let (key, record) = (sample::key(), record("anna"));
        nodes[0].create(&key, &record).await.unwrap();
        assert!(nodes[1].delete(&key).await.unwrap());
    }
}

//! What a warm read does not do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use session_core::codec::{Json, ReadValue};
use session_core::{
    Codec, CodecId, Consistency, Error, Fields, Load, Loaded, SessionHeader, Sessions, Source,
    Store,
};
use session_memory::MemoryStore;
use session_testkit::{CountingStore, Counts, sample};

use crate::fixture::{create, node, record};

#[tokio::test]
async fn a_warm_read_calls_nothing_and_makes_no_record() {
    let counting = Arc::new(CountingStore::new(Arc::new(MemoryStore::new())));
    let node = node(Arc::clone(&counting) as Arc<dyn Store>).await;
    let key = sample::key();
    let revision = create(&node, &key, &record()).await;
    let found = async |consistency| match node
        .load(&key, Load::default().consistency(consistency))
        .await
        .unwrap()
    {
        Loaded::Found { record, source: Source::Local } => record,
        other => panic!("{other:?}"),
    };
    let first = found(Consistency::Cached).await;
    let before = counting.counts();
    for _ in 0..1_000 {
        assert!(Arc::ptr_eq(&first, &found(Consistency::Cached).await));
        assert!(Arc::ptr_eq(&first, &found(Consistency::Replica).await), "it will do, too");
        let unchanged = node.load(&key, Load::default().known(revision)).await.unwrap();
        assert!(matches!(unchanged, Loaded::Unchanged { .. }));
    }
    assert_eq!(counting.counts().since(before), Counts::default());
    assert_eq!(node.stats().hits, 3_001);
}

/// Decoded once, by whoever reads it first, and not at all by who wrote it.
#[tokio::test]
async fn a_cached_session_is_decoded_once_and_by_its_writer_not_at_all() {
    let shared: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let [here, there] = [Unpacking::default(), Unpacking::default()];
    let sessions = async |codec: &Unpacking| {
        let node = node(Arc::clone(&shared)).await;
        let header = SessionHeader::named("x-session");
        Sessions::builder(node).codec(codec.clone()).header(header).build().unwrap()
    };
    let [on_here, on_there] = [sessions(&here).await, sessions(&there).await];

    let lazy = on_here.open([]);
    lazy.load().await.unwrap().insert("visits", &1_u64).unwrap();
    let token = lazy.finish(false).await.header.unwrap();
    let read = async |sessions: &Sessions| {
        let session = sessions.open([token.as_bytes()]).load().await.unwrap();
        assert_eq!(session.get::<u64>("visits").unwrap(), Some(1));
        session.source()
    };
    for _ in 0..100 {
        assert_eq!(read(&on_here).await, Some(Source::Local));
    }
    assert_eq!(here.count(), 0, "it wrote what it reads");
    assert_eq!(read(&on_there).await, Some(Source::Shared));
    for _ in 0..100 {
        assert_eq!(read(&on_there).await, Some(Source::Local));
    }
    assert_eq!(there.count(), 1);
}

/// JSON, counting how often a payload is taken apart.
#[derive(Clone, Debug, Default)]
struct Unpacking(Arc<AtomicUsize>);

impl Unpacking {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Codec for Unpacking {
    fn id(&self) -> CodecId {
        Json.id()
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, Error> {
        Json.encode(value)
    }

    fn decode(&self, bytes: &[u8], read: ReadValue<'_>) -> Result<(), Error> {
        Json.decode(bytes, read)
    }

    fn pack(&self, fields: &Fields) -> Result<Vec<u8>, Error> {
        Json.pack(fields)
    }

    fn unpack(&self, packed: Bytes) -> Result<Fields, Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Json.unpack(packed)
    }
}

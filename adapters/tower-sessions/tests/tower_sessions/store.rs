//! The store by itself.

use std::sync::Arc;
use std::time::Duration;

use session_core::codec::Limits;
use session_core::{
    Clock as _, Created, Key, Load, Loaded, Namespace, Payload, Store as _, Timestamp,
};
use session_testkit::{Method, sample};
use session_tower_sessions::TowerSessionStore;
use time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::Error;
use tower_sessions::{ExpiredDeletion as _, SessionStore as _};

use crate::app::adapter;
use crate::nodes::{Kind, Nodes};

fn adapters(nodes: &Nodes) -> [TowerSessionStore; 2] {
    [&nodes.a, &nodes.b].map(|node| adapter(nodes, Arc::clone(node) as _))
}

/// A session of somebody, for an hour.
fn record(nodes: &Nodes, user: &str) -> Record {
    let data = [("user".to_owned(), user.into()), ("cart".to_owned(), vec![1, 2].into())].into();
    let hour = nodes.clock.now().plus(Duration::from_secs(3600));
    Record { id: Id::default(), data, expiry_date: date(hour) }
}

fn date(time: Timestamp) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::from_millis(time.as_millis() as u64)
}

fn key(id: Id) -> Key {
    let namespace = Namespace::parse("tower-sessions").unwrap();
    Key::of_foreign_id(&id.0.to_le_bytes(), &namespace)
}

async fn payload(nodes: &Nodes, id: Id) -> Payload {
    match nodes.a.load(&key(id), Load::default()).await.unwrap() {
        Loaded::Found { record, .. } => record.payload.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_session_comes_back_as_it_was_created_and_saved() {
    for kind in Kind::ALL {
        let nodes = kind.start().await;
        let [a, b] = adapters(&nodes);
        let mut record = record(&nodes, "ada");
        a.create(&mut record).await.unwrap();
        assert_eq!(b.load(&record.id).await.unwrap().unwrap(), record, "{kind:?}");
        record.data.insert("draft".to_owned(), "…".into());
        record.expiry_date += Duration::from_secs(60);
        a.save(&record).await.unwrap();
        assert_eq!(a.load(&record.id).await.unwrap().unwrap(), record, "{kind:?}");
        a.delete(&record.id).await.unwrap();
        a.delete(&record.id).await.unwrap();
        assert_eq!(a.load(&record.id).await.unwrap(), None, "{kind:?}");
    }
}

#[tokio::test]
async fn a_new_session_gets_another_id_rather_than_that_of_somebody_else() {
    for kind in Kind::ALL {
        let nodes = kind.start().await;
        let [a, b] = adapters(&nodes);
        let mut first = record(&nodes, "ada");
        a.create(&mut first).await.unwrap();
        let mut second = Record { id: first.id, ..record(&nodes, "mallory") };
        b.create(&mut second).await.unwrap();
        assert_ne!(first.id, second.id, "{kind:?}");
        for kept in [&first, &second] {
            assert_eq!(b.load(&kept.id).await.unwrap().as_ref(), Some(kept), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_save_brings_nothing_to_life() {
    for kind in Kind::ALL {
        let nodes = kind.start().await;
        let [a, b] = adapters(&nodes);
        for end in ["never created", "deleted", "expired"] {
            let mut record = record(&nodes, "ada");
            if end != "never created" {
                a.create(&mut record).await.unwrap();
            }
            match end {
                "deleted" => b.delete(&record.id).await.unwrap(),
                "expired" => nodes.clock.advance(Duration::from_secs(3600)),
                _ => {}
            }
            record.expiry_date += Duration::from_secs(7200);
            let error = a.save(&record).await.unwrap_err();
            assert!(matches!(error, Error::Backend(_)), "{kind:?}, {end}: {error}");
            assert!(error.to_string().starts_with("gone during save"), "{kind:?}, {end}: {error}");
            assert!(!error.to_string().contains(&record.id.to_string()), "{error}");
            assert_eq!(b.load(&record.id).await.unwrap(), None, "{kind:?}, {end}");
        }
    }
}

#[tokio::test]
async fn of_two_saves_the_last_one_wins() {
    for kind in Kind::ALL {
        let nodes = kind.start().await;
        let [a, b] = adapters(&nodes);
        let mut record = record(&nodes, "ada");
        a.create(&mut record).await.unwrap();
        let with = |draft: &str| {
            let mut record = record.clone();
            record.data.insert("draft".to_owned(), draft.into());
            record
        };
        let (early, late) = (with("early"), with("late"));
        let gate = nodes.a.hold_call(Method::Replace);
        let slow = tokio::spawn({
            let (a, late) = (a.clone(), late.clone());
            async move { a.save(&late).await }
        });
        gate.reached().await;
        b.save(&early).await.unwrap();
        assert_eq!(b.load(&record.id).await.unwrap().unwrap(), early, "{kind:?}");
        gate.open();
        slow.await.unwrap().unwrap();
        assert_eq!(a.load(&record.id).await.unwrap().unwrap(), late, "{kind:?}");
    }
}

#[tokio::test]
async fn the_absolute_timeout_ends_what_is_saved_again_and_again() {
    let nodes = Kind::Memory.start().await;
    let builder = TowerSessionStore::builder_shared(Arc::clone(&nodes.a) as _);
    let builder = builder.clock(Arc::new(nodes.clock.clone()));
    let store = builder.absolute_timeout(Duration::from_secs(5400)).build().unwrap();
    let mut record = record(&nodes, "ada");
    let end = record.expiry_date + Duration::from_secs(1800);
    store.create(&mut record).await.unwrap();
    record.expiry_date += Duration::from_secs(86_400);
    store.save(&record).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap().unwrap().expiry_date, end);
    nodes.clock.advance(Duration::from_secs(5399));
    store.save(&record).await.unwrap();
    nodes.clock.advance(Duration::from_secs(1));
    assert_eq!(store.load(&record.id).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_stored_is_a_json_object_and_knows_no_id() {
    let nodes = Kind::Redis.start().await;
    let [a, _] = adapters(&nodes);
    let mut record = record(&nodes, "ada");
    a.create(&mut record).await.unwrap();
    let payload = payload(&nodes, record.id).await;
    assert_eq!(payload.as_bytes().as_ref(), br#"{"cart":[1,2],"user":"ada"}"#);

    let redis = nodes.redis.as_ref().unwrap();
    let names = nodes.stored().await;
    let [name] = names.as_slice() else { panic!("{names:?}") };
    let value: Vec<u8> = redis.query(&["GET", name]).await.unwrap();
    let stored = [name.as_bytes(), &value].concat();
    let id = record.id.0;
    for secret in [id.to_le_bytes().to_vec(), id.to_be_bytes().to_vec(), id.to_string().into()] {
        assert!(!stored.windows(secret.len()).any(|part| part == secret));
    }
    assert!(!String::from_utf8_lossy(&stored).contains(&record.id.to_string()));
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_stays_as_it_is() {
    let nodes = Kind::Memory.start().await;
    let [a, _] = adapters(&nodes);
    let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(300 * 1024));
    for bytes in ["nonsense", "[]", r#"{"a":1"#, "\u{1}\u{1}\u{0}{}", &deep, &long] {
        let id = Id::default();
        let mut stored = sample::record(nodes.clock.now());
        stored.payload = Payload::new(bytes.to_owned());
        let created = nodes.a.create(&key(id), &stored).await.unwrap();
        assert!(matches!(created, Created::Created(_)));
        assert!(a.load(&id).await.is_err(), "{bytes:.20}");
        assert_eq!(payload(&nodes, id).await, stored.payload);
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_and_the_session_stays_as_it_was() {
    let nodes = Kind::Memory.start().await;
    let limits = Limits::default().with_max_payload(100).unwrap().with_max_fields(3).unwrap();
    let builder = TowerSessionStore::builder_shared(Arc::clone(&nodes.a) as _);
    let store = builder.clock(Arc::new(nodes.clock.clone())).limits(limits).build().unwrap();
    let mut kept = record(&nodes, "ada");
    store.create(&mut kept).await.unwrap();
    let deep = (0..200).fold(serde_json::Value::Null, |value, _| vec![value].into());
    let long = vec![("long", "x".repeat(100).into())];
    let many = ["a", "b"].map(|name| (name, true.into())).to_vec();
    for values in [long, many, vec![("deep", deep)]] {
        let mut record = kept.clone();
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value));
        record.data.extend(values);
        for refused in [store.save(&record).await, store.create(&mut record).await] {
            let error = refused.unwrap_err();
            assert!(matches!(error, Error::Encode(_)), "{error}");
        }
        assert_eq!(store.load(&kept.id).await.unwrap().unwrap(), kept);
    }
}

#[tokio::test]
async fn applications_with_namespaces_of_their_own_do_not_see_each_other() {
    let nodes = Kind::Memory.start().await;
    let [shop, wiki] = ["shop", "wiki"].map(|name| {
        let builder = TowerSessionStore::builder_shared(Arc::clone(&nodes.a) as _);
        builder.namespace(name).clock(Arc::new(nodes.clock.clone())).build().unwrap()
    });
    let mut record = record(&nodes, "ada");
    shop.create(&mut record).await.unwrap();
    assert_eq!(wiki.load(&record.id).await.unwrap(), None);
    wiki.delete(&record.id).await.unwrap();
    assert!(shop.load(&record.id).await.unwrap().is_some());
}

#[tokio::test]
async fn expired_sessions_are_swept_and_live_ones_are_not() {
    let nodes = Kind::Memory.start().await;
    let [a, _] = adapters(&nodes);
    for _ in 0..2_500 {
        a.create(&mut record(&nodes, "ada")).await.unwrap();
    }
    nodes.clock.advance(Duration::from_secs(1800));
    let mut live = record(&nodes, "grace");
    a.create(&mut live).await.unwrap();
    nodes.clock.advance(Duration::from_secs(1800));
    a.delete_expired().await.unwrap();
    assert_eq!(nodes.a.purge_expired(usize::MAX).await.unwrap(), 0, "nothing is left to purge");
    assert!(a.load(&live.id).await.unwrap().is_some());
}

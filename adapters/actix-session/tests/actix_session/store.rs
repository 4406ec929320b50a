//! The store by itself.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore as _, UpdateError};
use session_actix_session::ActixSessionStore;
use session_core::codec::Limits;
use session_core::{
    Clock as _, Entropy, Error, ErrorKind, Key, Load, Loaded, Namespace, OsEntropy, Payload,
    Store as _,
};
use session_testkit::{Method, sample};

use crate::app::{TTL, adapter};
use crate::nodes::{Kind, Nodes};

type State = HashMap<String, String>;

fn adapters(nodes: &Nodes) -> [ActixSessionStore; 2] {
    [&nodes.a, &nodes.b].map(|node| adapter(nodes, Arc::clone(node) as _))
}

fn state(user: &str) -> State {
    let values = [("user", format!("\"{user}\"")), ("cart", "[1, 2]".to_owned())];
    values.map(|(name, text)| (name.to_owned(), text)).into()
}

/// Keys are not `Clone`.
fn again(key: &SessionKey) -> SessionKey {
    SessionKey::try_from(key.as_ref().to_owned()).unwrap()
}

fn key(id: &SessionKey) -> Key {
    Key::of_foreign_id(id.as_ref().as_bytes(), &Namespace::parse("actix-session").unwrap())
}

async fn payload(nodes: &Nodes, id: &SessionKey) -> Payload {
    match nodes.a.load(&key(id), Load::default()).await.unwrap() {
        Loaded::Found { record, .. } => record.payload.clone(),
        other => panic!("{other:?}"),
    }
}

/// The kind of what is behind one of their errors.
fn kind_of(error: &(dyn std::error::Error + 'static)) -> ErrorKind {
    error.source().unwrap().downcast_ref::<Error>().unwrap().kind()
}

#[actix_web::test]
async fn a_session_comes_back_as_it_was_saved_and_updated() {
    for kind in Kind::ALL {
        let nodes = kind.start().await;
        let [a, b] = adapters(&nodes);
        let id = a.save(state("ada"), &TTL).await.unwrap();
        assert_eq!(b.load(&id).await.unwrap(), Some(state("ada")), "{kind:?}");
        let updated = a.update(again(&id), state("grace"), &TTL).await.unwrap();
        assert_eq!(updated, id, "{kind:?}");
        assert_eq!(a.load(&id).await.unwrap(), Some(state("grace")), "{kind:?}");
        a.delete(&id).await.unwrap();
        assert_eq!(a.load(&id).await.unwrap(), None, "{kind:?}");
        assert!(a.delete(&id).await.is_err(), "{kind:?}: their middleware may go on to save it");
    }
}

/// Random bytes as ordered, then of the operating system.
#[derive(Debug)]
struct Scripted(Mutex<VecDeque<u8>>);

impl Entropy for Scripted {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Error> {
        match self.0.lock().unwrap().pop_front() {
            Some(byte) => bytes.fill(byte),
            None => OsEntropy.fill(bytes)?,
        }
        Ok(())
    }
}

#[actix_web::test]
async fn a_new_session_gets_another_id_rather_than_that_of_somebody_else() {
    for kind in Kind::ALL {
        let nodes = kind.start().await;
        let builder = ActixSessionStore::builder_shared(Arc::clone(&nodes.a) as _)
            .clock(Arc::new(nodes.clock.clone()))
            .entropy(Arc::new(Scripted(Mutex::new([1, 1, 1, 2].into()))));
        let store = builder.build().unwrap();
        let mut ids = Vec::new();
        for user in ["ada", "mallory", "grace"] {
            ids.push((store.save(state(user), &TTL).await.unwrap(), user));
        }
        for (id, user) in &ids {
            assert_eq!(store.load(id).await.unwrap(), Some(state(user)), "{kind:?}");
        }
        let broken = Scripted(Mutex::new([1; 100].into()));
        let builder = ActixSessionStore::builder_shared(Arc::clone(&nodes.a) as _)
            .clock(Arc::new(nodes.clock.clone()))
            .entropy(Arc::new(broken));
        let error = builder.build().unwrap().save(state("mallory"), &TTL).await.unwrap_err();
        assert_eq!(kind_of(&error), ErrorKind::Entropy, "{kind:?}");
    }
}

#[actix_web::test]
async fn an_update_brings_nothing_to_life() {
    for kind in Kind::ALL {
        let nodes = kind.start().await;
        let [a, b] = adapters(&nodes);
        for end in ["never created", "deleted", "expired"] {
            let mut id = SessionKey::try_from("x".repeat(46)).unwrap();
            if end != "never created" {
                id = a.save(state("ada"), &TTL).await.unwrap();
            }
            match end {
                "deleted" => b.delete(&id).await.unwrap(),
                "expired" => nodes.clock.advance(TTL.unsigned_abs()),
                _ => {}
            }
            let error = a.update(again(&id), state("ada"), &TTL).await.unwrap_err();
            assert_eq!(kind_of(&error), ErrorKind::Gone, "{kind:?}, {end}");
            assert!(!format!("{error:?}").contains(id.as_ref()), "{error:?}");
            a.update_ttl(&id, &TTL).await.unwrap();
            assert_eq!(b.load(&id).await.unwrap(), None, "{kind:?}, {end}");
            assert!(a.delete(&id).await.is_err(), "{kind:?}, {end}");
        }
    }
}

#[actix_web::test]
async fn of_two_updates_the_last_one_wins() {
    for kind in Kind::ALL {
        let nodes = kind.start().await;
        let [a, b] = adapters(&nodes);
        let id = a.save(state("ada"), &TTL).await.unwrap();
        let gate = nodes.a.hold_call(Method::Replace);
        let early = async {
            gate.reached().await;
            b.update(again(&id), state("early"), &TTL).await.unwrap();
            assert_eq!(b.load(&id).await.unwrap(), Some(state("early")), "{kind:?}");
            gate.open();
        };
        let (late, ()) = tokio::join!(a.update(again(&id), state("late"), &TTL), early);
        late.unwrap();
        assert_eq!(a.load(&id).await.unwrap(), Some(state("late")), "{kind:?}");
    }
}

#[actix_web::test]
async fn a_time_to_live_is_set_by_updates_and_only_prolonged_by_touches() {
    let nodes = Kind::Memory.start().await;
    let [a, _] = adapters(&nodes);
    let [hour, minute] = [3600, 60].map(Duration::from_secs);
    for (what, lives_for) in [("touched", hour), ("updated", minute)] {
        let id = a.save(state("ada"), &TTL).await.unwrap();
        let short = time::Duration::minutes(1);
        match what {
            "touched" => a.update_ttl(&id, &short).await.unwrap(),
            _ => _ = a.update(again(&id), state("ada"), &short).await.unwrap(),
        }
        nodes.clock.advance(lives_for - Duration::from_millis(1));
        assert!(a.load(&id).await.unwrap().is_some(), "{what}");
        nodes.clock.advance(Duration::from_millis(1));
        assert_eq!(a.load(&id).await.unwrap(), None, "{what}");
    }
    for nothing in [time::Duration::ZERO, time::Duration::hours(-1)] {
        let id = a.save(state("ada"), &nothing).await.unwrap();
        assert_eq!(a.load(&id).await.unwrap(), None, "{nothing}");
    }
}

#[actix_web::test]
async fn the_absolute_timeout_ends_what_is_extended_again_and_again() {
    let nodes = Kind::Memory.start().await;
    let builder = ActixSessionStore::builder_shared(Arc::clone(&nodes.a) as _);
    let builder = builder.clock(Arc::new(nodes.clock.clone()));
    let store = builder.absolute_timeout(Duration::from_secs(5400)).build().unwrap();
    let id = store.save(state("ada"), &TTL).await.unwrap();
    for _ in 0..2 {
        nodes.clock.advance(Duration::from_secs(2699));
        store.update_ttl(&id, &TTL).await.unwrap();
        store.update(again(&id), state("ada"), &TTL).await.unwrap();
    }
    assert!(store.load(&id).await.unwrap().is_some());
    nodes.clock.advance(Duration::from_secs(2));
    assert_eq!(store.load(&id).await.unwrap(), None);
}

#[actix_web::test]
async fn what_is_stored_is_a_json_object_and_knows_no_id() {
    let nodes = Kind::Redis.start().await;
    let [a, _] = adapters(&nodes);
    let id = a.save(state("ada"), &TTL).await.unwrap();
    let stored = payload(&nodes, &id).await;
    assert_eq!(stored.as_bytes().as_ref(), br#"{"cart":[1, 2],"user":"ada"}"#);

    let names = nodes.stored().await;
    let [name] = names.as_slice() else { panic!("{names:?}") };
    let value: Vec<u8> = nodes.redis.as_ref().unwrap().query(&["GET", name]).await.unwrap();
    // Nor any part of it that is long enough to be none by chance.
    for part in id.as_ref().as_bytes().windows(8) {
        let stored = [name.as_bytes(), &value].concat();
        assert!(!stored.windows(part.len()).any(|bytes| bytes == part));
    }
}

#[actix_web::test]
async fn what_cannot_be_read_is_an_error_and_no_empty_session() {
    let nodes = Kind::Memory.start().await;
    let [a, _] = adapters(&nodes);
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(300 * 1024));
    for (number, bytes) in
        ["nonsense", "[]", r#"{"a":1"#, "\u{1}\u{1}\u{0}{}", &long].iter().enumerate()
    {
        let id = SessionKey::try_from(format!("id-{number}")).unwrap();
        let mut stored = sample::record(nodes.clock.now());
        stored.payload = Payload::new((*bytes).to_owned());
        nodes.a.create(&key(&id), &stored).await.unwrap();
        let error = a.load(&id).await.unwrap_err();
        assert!(matches!(error, LoadError::Other(_)), "{bytes:.20}: {error}");
        assert_eq!(payload(&nodes, &id).await, stored.payload);
    }
}

#[actix_web::test]
async fn what_cannot_be_kept_is_refused_and_the_session_stays_as_it_was() {
    let nodes = Kind::Memory.start().await;
    let limits = Limits::default().with_max_payload(100).unwrap().with_max_fields(3).unwrap();
    let builder = ActixSessionStore::builder_shared(Arc::clone(&nodes.a) as _);
    let store = builder.clock(Arc::new(nodes.clock.clone())).limits(limits).build().unwrap();
    let id = store.save(state("ada"), &TTL).await.unwrap();
    let (long, many) = (vec![("long", "1".repeat(100))], ["a", "b"].map(|name| (name, "1".into())));
    for values in [long, many.to_vec(), vec![("text", "no JSON".into())]] {
        let mut refused = state("ada");
        refused.extend(values.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let error = store.update(again(&id), refused.clone(), &TTL).await.unwrap_err();
        assert!(matches!(error, UpdateError::Serialization(_)), "{error}");
        let error = store.save(refused, &TTL).await.unwrap_err();
        assert!(matches!(error, SaveError::Serialization(_)), "{error}");
        assert_eq!(store.load(&id).await.unwrap(), Some(state("ada")));
    }
}

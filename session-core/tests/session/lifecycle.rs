//! What a session holds, and for how many requests.

use serde::{Deserialize, Serialize};
use session_core::{Consistency, ErrorKind, Field, Level, SessionData, Source, TypedSession};
use session_testkit::CountingStore;

use crate::visitor::{Visitor, app, app_over};

const COUNTER: Field<u64> = Field::new("counter");

#[tokio::test]
async fn values_are_there_at_the_next_request() {
    let app = app();
    let mut visitor = Visitor::default();
    visitor
        .request(&app.sessions, async |session| {
            session.insert("name", &"Ada".to_owned()).unwrap();
            session.insert(COUNTER, &41).unwrap();
            assert_eq!(session.get(COUNTER).unwrap(), Some(41), "seen at once");
            assert!(!session.exists(), "but not stored yet");
            session.commit().await.unwrap();
            assert_eq!(session.source(), None, "it was read from nowhere");
        })
        .await;
    visitor
        .request(&app.sessions, async |session| {
            assert!(session.exists() && !session.is_empty());
            assert_eq!(session.source(), Some(Source::Shared));
            assert_eq!(session.get::<String>("name").unwrap().as_deref(), Some("Ada"));
            assert_eq!(session.update(COUNTER, |n| n.unwrap_or(0) + 1).unwrap(), 42);
            assert!(session.remove("name") && !session.remove("name"));
            assert!(!session.contains("name"));
        })
        .await;
    visitor
        .request(&app.sessions, async |session| {
            assert_eq!(session.get(COUNTER).unwrap(), Some(42));
            assert_eq!(session.get::<String>("name").unwrap(), None);
            session.clear();
            assert!(session.is_empty());
        })
        .await;
    visitor
        .request(&app.sessions, async |session| assert!(session.exists() && session.is_empty()))
        .await;
}

/// glibc gives up to 1,032 bytes from what a thread has at hand. For more it takes a lock that other
/// threads want too, and tidies up what was freed.
#[tokio::test]
async fn a_save_takes_no_more_memory_than_is_at_hand() {
    let lazy = app().sessions.open([]);
    let save = async move { lazy.finish(false).await };
    assert!(size_of_val(&save) <= 1_032, "{} bytes", size_of_val(&save));
    assert!(save.await.header.is_none());
}

#[tokio::test]
async fn a_session_is_as_fresh_as_its_handle_says_unless_the_call_says_otherwise() {
    let (app, store) = app_over(CountingStore::new, |builder| builder);
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert(COUNTER, &1).unwrap()).await;
    let asked = || store.last_load().unwrap().consistency;

    let plain = visitor.open(&app.sessions);
    let strong = plain.clone().with_consistency(Consistency::Strong);
    let session = strong.clone().load().await.unwrap();
    assert_eq!(asked(), Consistency::Strong);
    session.insert(COUNTER, &2).unwrap();
    let same = plain.load().await.unwrap();
    assert_eq!(same.get(COUNTER).unwrap(), Some(2), "one session, whoever loads it");

    visitor.open(&app.sessions).load().await.unwrap();
    assert_eq!(asked(), Consistency::Cached);
    let strong = visitor.open(&app.sessions).with_consistency(Consistency::Strong);
    strong.load_with(Consistency::Replica).await.unwrap();
    assert_eq!(asked(), Consistency::Replica);
}

#[tokio::test]
async fn a_value_of_another_type_is_an_error_of_that_call_alone() {
    let app = app();
    let mut visitor = Visitor::default();
    visitor
        .request(&app.sessions, async |session| {
            session.insert("name", &"Ada".to_owned()).unwrap();
            let error = session.get::<u64>("name").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Value);
            assert_eq!(error.context("field"), Some("name"));
            assert!(!error.to_string().contains("Ada"), "{error}");
            assert!(session.update("name", |n: Option<u64>| n.unwrap_or(0)).is_err());
        })
        .await;
    visitor
        .request(&app.sessions, async |session| {
            assert_eq!(session.get::<String>("name").unwrap().as_deref(), Some("Ada"));
        })
        .await;
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cart {
    items: Vec<u32>,
    currency: Option<String>,
}

impl SessionData for Cart {
    const FIELD: &'static str = "cart";
}

#[tokio::test]
async fn a_whole_session_may_be_one_value() {
    let app = app();
    let mut visitor = Visitor::default();
    visitor
        .request(&app.sessions, async |session| {
            let cart = TypedSession::<Cart>::new(session.clone());
            assert_eq!(cart.get().unwrap(), Cart::default());
            cart.update(|cart| cart.items.push(7)).unwrap();
            cart.update(|cart| cart.currency = Some("EUR".into())).unwrap();
        })
        .await;
    visitor
        .request(&app.sessions, async |session| {
            let cart = TypedSession::<Cart>::new(session.clone());
            let expected = Cart { items: vec![7], currency: Some("EUR".into()) };
            assert_eq!(cart.get().unwrap(), expected);
            cart.set(&Cart::default()).unwrap();
            assert_eq!(cart.get().unwrap(), Cart::default());
        })
        .await;
}

#[tokio::test]
async fn messages_are_shown_once_and_none_is_missed() {
    let app = app();
    let mut visitor = Visitor::default();
    visitor
        .request(&app.sessions, async |session| {
            session.flash(Level::Success, "saved").unwrap();
            session.flash(Level::Info, "twice").unwrap();
            session.flash(Level::Info, "twice").unwrap();
        })
        .await;

    // One request takes the messages while another leaves one more.
    let page = visitor.open(&app.sessions);
    let taken = page.load().await.unwrap().take_flashes().unwrap();
    assert_eq!(
        taken.iter().map(|flash| &*flash.text).collect::<Vec<_>>(),
        ["saved", "twice", "twice"]
    );
    visitor
        .request(&app.sessions, async |session| session.flash(Level::Info, "late").unwrap())
        .await;
    assert!(page.finish(false).await.error.is_none());

    let left =
        visitor.request(&app.sessions, async |session| session.take_flashes().unwrap()).await;
    assert_eq!(left.iter().map(|flash| &*flash.text).collect::<Vec<_>>(), ["late"]);
    let none =
        visitor.request(&app.sessions, async |session| session.take_flashes().unwrap()).await;
    assert!(none.is_empty());
    let empty = visitor.request(&app.sessions, async |session| session.is_empty()).await;
    assert!(empty, "no field is left behind");
}

#[tokio::test]
async fn an_update_may_use_its_own_session() {
    let app = app();
    Visitor::default()
        .request(&app.sessions, async |session| {
            session.insert("step", &2_u64).unwrap();
            let inner = session.clone();
            let sum = session.update(COUNTER, move |n| {
                n.unwrap_or(40) + inner.get::<u64>("step").unwrap().unwrap_or(0)
            });
            assert_eq!(sum.unwrap(), 42);
        })
        .await;
}

#[tokio::test]
async fn an_update_sees_what_was_written_while_it_ran() {
    let app = app();
    Visitor::default()
        .request(&app.sessions, async |session| {
            let inner = session.clone();
            let sum = session.update(COUNTER, move |n| {
                if n.is_none() {
                    inner.insert(COUNTER, &41).unwrap();
                }
                n.unwrap_or(0) + 1
            });
            assert_eq!((sum.unwrap(), session.get(COUNTER).unwrap()), (42, Some(42)));
        })
        .await;
}

#[tokio::test]
async fn the_future_of_a_request_can_move_between_threads() {
    fn is_send<F: Future + Send>(future: F) -> F {
        future
    }
    let app = app();
    is_send(async {
        let lazy = Visitor::default().open(&app.sessions);
        let session = is_send(lazy.load()).await.unwrap();
        session.insert(COUNTER, &1).unwrap();
        is_send(session.update_now(COUNTER, |n| n.unwrap_or(0) + 1)).await.unwrap();
        is_send(session.commit()).await.unwrap();
        assert!(is_send(lazy.finish(false)).await.error.is_none());
    })
    .await;
}

#[tokio::test]
async fn more_than_a_session_holds_is_refused_and_nothing_is_touched() {
    let app = app();
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert(COUNTER, &7).unwrap()).await;

    let alone = "x".repeat(300 * 1024);
    visitor
        .request(&app.sessions, async |session| {
            let error = session.insert("big", &alone).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge);
        })
        .await;
    let half = "x".repeat(150 * 1024);
    let ((), finished) = visitor
        .visit(&app.sessions, async |session| {
            session.insert("one", &half).unwrap();
            session.insert("two", &half).unwrap();
            assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::TooLarge);
        })
        .await;
    assert_eq!(finished.error.unwrap().kind(), ErrorKind::TooLarge);
    visitor
        .request(&app.sessions, async |session| {
            assert_eq!(session.get(COUNTER).unwrap(), Some(7));
            assert!(!session.contains("one"));
        })
        .await;
}

#[tokio::test]
async fn debug_shows_neither_token_nor_values() {
    let app = app();
    let mut visitor = Visitor::default();
    visitor
        .request(&app.sessions, async |session| session.insert("word", &"swordfish").unwrap())
        .await;
    let lazy = visitor.open(&app.sessions);
    let session = lazy.load().await.unwrap();
    session.insert("word", &"swordfishes").unwrap();
    let token = visitor.cookie.unwrap().split_once('=').unwrap().1.to_owned();
    let shown = format!("{lazy:?} {session:?} {:?} {:?}", app.sessions, app.store);
    assert!(!shown.contains(&token) && !shown.contains("swordfish"), "{shown}");
}

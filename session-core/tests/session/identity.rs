//! Signing in and out, new ids, a subject's sessions.

use session_core::{Device, ErrorKind, Handle, Subject};

use session_testkit::{FaultyStore, Method};

use crate::visitor::{App, Visitor, app, app_over, app_with};

fn subject(id: &str) -> Subject {
    Subject::new(id).unwrap()
}

async fn signed_in(app: &App, id: &str, user_agent: &str) -> Visitor {
    let mut visitor = Visitor::default();
    visitor
        .request(&app.sessions, async |session| {
            session.log_in(subject(id));
            session.set_device(Device::new().with_user_agent(user_agent));
        })
        .await;
    visitor
}

async fn who(app: &App, visitor: &Visitor) -> Option<String> {
    let session = visitor.open(&app.sessions).load().await.unwrap();
    session.subject().map(|subject| subject.as_str().to_owned())
}

#[tokio::test]
async fn logging_in_keeps_what_an_anonymous_visitor_had_under_a_new_id() {
    let app = app();
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert("cart", &[1]).unwrap()).await;
    let planted = visitor.clone();
    app.clock.advance(std::time::Duration::from_secs(5));
    visitor.request(&app.sessions, async |session| session.log_in(subject("ada"))).await;

    assert_ne!(planted.cookie, visitor.cookie);
    assert_eq!(who(&app, &planted).await, None, "the id from before is dead");
    visitor
        .request(&app.sessions, async |session| {
            assert_eq!(session.get::<Vec<u8>>("cart").unwrap(), Some(vec![1]));
            assert_eq!(session.subject(), Some(subject("ada")));
            assert!(session.authenticated_at() > session.created_at());
        })
        .await;
    assert_eq!(app.store.len(), 1);
}

#[tokio::test]
async fn logging_in_as_somebody_else_leaves_nothing_of_the_former() {
    let app = app();
    let mut visitor = signed_in(&app, "ada", "curl").await;
    visitor.request(&app.sessions, async |session| session.insert("secret", &1).unwrap()).await;
    let former = visitor.clone();
    visitor
        .request(&app.sessions, async |session| {
            session.insert("before", &1).unwrap();
            session.log_in(subject("bob"));
            session.insert("after", &1).unwrap();
        })
        .await;
    visitor
        .request(&app.sessions, async |session| {
            assert_eq!(session.subject(), Some(subject("bob")));
            assert!(session.contains("after"));
            assert!(!session.contains("secret") && !session.contains("before"));
            assert_eq!(session.device(), None);
        })
        .await;
    assert_eq!(who(&app, &former).await, None);
}

#[tokio::test]
async fn logging_in_again_gives_a_new_id_and_keeps_the_data() {
    let app = app();
    let mut visitor = signed_in(&app, "ada", "curl").await;
    visitor.request(&app.sessions, async |session| session.insert("a", &1).unwrap()).await;
    let former = visitor.clone();
    visitor.request(&app.sessions, async |session| session.log_in(subject("ada"))).await;
    assert_eq!(who(&app, &former).await, None);
    visitor
        .request(&app.sessions, async |session| {
            assert!(session.contains("a"));
            assert_eq!(session.device().unwrap().user_agent(), Some("curl"));
        })
        .await;
}

#[tokio::test]
async fn a_sealed_session_can_still_be_read_under_its_new_id() {
    let keys = session_core::KeyRing::new([vec![7; 32]]).unwrap();
    let app = app_with(|builder| builder.encrypt(keys));
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert("a", &1).unwrap()).await;
    visitor.request(&app.sessions, async |session| session.log_in(subject("ada"))).await;
    assert!(visitor.request(&app.sessions, async |session| session.contains("a")).await);
    assert_eq!(who(&app, &visitor).await.as_deref(), Some("ada"));
}

#[tokio::test]
async fn a_session_that_moves_while_it_is_listed_is_revoked_too() {
    let (app, store) = app_over(FaultyStore::new, |builder| builder);
    let mut visitor = signed_in(&app, "ada", "curl").await;
    let gate = store.hold_reply(Method::List);
    let sessions = app.sessions.clone();
    let revoking = tokio::spawn(async move { sessions.revoke_all(&subject("ada")).await });
    gate.reached().await;
    visitor.request(&app.sessions, async |session| session.rotate()).await;
    gate.open();
    assert_eq!(revoking.await.unwrap().unwrap(), 1);
    assert!(app.store.is_empty());
}

#[tokio::test]
async fn logging_out_ends_the_session_and_what_follows_begins_another() {
    let app = app();
    let mut visitor = signed_in(&app, "ada", "curl").await;
    let former = visitor.clone();
    visitor
        .request(&app.sessions, async |session| {
            session.insert("secret", &1).unwrap();
            session.log_out();
            assert_eq!(session.subject(), None);
            session.insert("farewell", &"see you").unwrap();
        })
        .await;
    assert_eq!(who(&app, &former).await, None);
    assert_ne!(former.cookie, visitor.cookie);
    visitor
        .request(&app.sessions, async |session| {
            assert!(session.contains("farewell") && !session.contains("secret"));
            assert_eq!((session.subject(), session.authenticated_at()), (None, None));
            session.log_out();
        })
        .await;
    assert!(visitor.cookie.is_none() && app.store.is_empty());
}

#[tokio::test]
async fn the_order_of_rotation_and_writing_is_no_matter() {
    let app = app();
    for rotate_first in [false, true] {
        let mut visitor = Visitor::default();
        visitor.request(&app.sessions, async |session| session.insert("a", &1).unwrap()).await;
        let former = visitor.clone();
        visitor
            .request(&app.sessions, async |session| {
                if rotate_first {
                    session.rotate();
                }
                session.insert("b", &2).unwrap();
                if !rotate_first {
                    session.rotate();
                }
            })
            .await;
        assert_ne!(former.cookie, visitor.cookie);
        let old = former.open(&app.sessions).load().await.unwrap();
        assert!(!old.exists());
        visitor
            .request(&app.sessions, async |session| {
                assert_eq!(session.get("a").unwrap(), Some(1));
                assert_eq!(session.get("b").unwrap(), Some(2));
            })
            .await;
    }
}

#[tokio::test]
async fn every_earlier_id_of_a_chain_is_dead_for_every_verb() {
    let app = app();
    let mut visitor = signed_in(&app, "ada", "curl").await;
    let mut earlier = Vec::new();
    for _ in 0..5 {
        earlier.push(visitor.clone());
        visitor.request(&app.sessions, async |session| session.rotate()).await;
    }
    for old in earlier {
        for verb in 0..6 {
            let mut old = old.clone();
            let cookie = old.cookie.clone();
            old.request(&app.sessions, async |session| {
                assert!(!session.exists());
                match verb {
                    0 => drop(session.get::<u64>("a").unwrap()),
                    1 => session.insert("a", &1).unwrap(),
                    2 => session.rotate(),
                    3 => session.destroy(),
                    4 => session.log_in(subject("eve")),
                    _ => drop(session.update_now("n", |n: Option<u64>| n.unwrap_or(0)).await),
                }
            })
            .await;
            assert_ne!(old.cookie, cookie, "verb {verb}: cleared, or a session of its own");
        }
    }
    assert_eq!(who(&app, &visitor).await.as_deref(), Some("ada"));
}

#[tokio::test]
async fn destroying_wins_over_whatever_else_a_handler_does() {
    let app = app();
    let mut visitor = signed_in(&app, "ada", "curl").await;
    visitor
        .request(&app.sessions, async |session| {
            session.destroy();
            session.insert("a", &1).unwrap();
            session.rotate();
            session.log_in(subject("bob"));
        })
        .await;
    assert!(visitor.cookie.is_none() && app.store.is_empty());
}

#[tokio::test]
async fn a_subject_sees_and_signs_out_its_own_sessions_only() {
    let app = app();
    let laptop = signed_in(&app, "ada", "laptop").await;
    app.clock.advance(std::time::Duration::from_secs(1));
    let phone = signed_in(&app, "ada", "phone").await;
    let bob = signed_in(&app, "bob", "desk").await;

    let list = app.sessions.list(&subject("ada")).await.unwrap();
    let agents: Vec<String> = list
        .iter()
        .map(|session| session.device.as_ref().unwrap().user_agent().unwrap().to_owned())
        .collect();
    assert_eq!(agents, ["laptop", "phone"], "oldest first");
    assert!(list.iter().all(|session| session.last_seen_at == session.created_at));

    let bobs = app.sessions.list(&subject("bob")).await.unwrap()[0].handle;
    assert!(!app.sessions.revoke(&subject("ada"), bobs).await.unwrap(), "not one of hers");
    let unknown = Handle::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap();
    assert!(!app.sessions.revoke(&subject("ada"), unknown).await.unwrap());
    assert!(app.sessions.revoke(&subject("ada"), list[1].handle).await.unwrap());
    assert_eq!(who(&app, &phone).await, None);
    assert_eq!(who(&app, &laptop).await.as_deref(), Some("ada"));

    let tablet = signed_in(&app, "ada", "tablet").await;
    let session = laptop.open(&app.sessions).load().await.unwrap();
    assert_eq!(app.sessions.revoke_others(&session).await.unwrap(), 1);
    assert_eq!(who(&app, &tablet).await, None);
    assert_eq!(session.handle(), Some(list[0].handle));
    assert_eq!(app.sessions.revoke_all(&subject("ada")).await.unwrap(), 1);
    assert_eq!(who(&app, &laptop).await, None);
    assert_eq!(who(&app, &bob).await.as_deref(), Some("bob"));

    let anonymous = Visitor::default().open(&app.sessions).load().await.unwrap();
    let error = app.sessions.revoke_others(&anonymous).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
}

#[tokio::test]
async fn a_revoked_session_in_use_is_not_written_back() {
    let app = app();
    let laptop = signed_in(&app, "ada", "laptop").await;
    let lazy = laptop.open(&app.sessions);
    lazy.load().await.unwrap().insert("a", &1).unwrap();
    app.sessions.revoke_all(&subject("ada")).await.unwrap();
    assert_eq!(lazy.finish(false).await.error.unwrap().kind(), ErrorKind::Gone);
    assert!(app.store.is_empty());
}

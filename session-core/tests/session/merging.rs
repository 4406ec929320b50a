//! Concurrent requests on one session.

use std::collections::BTreeSet;
use std::sync::Arc;

use session_core::{ErrorKind, Field};

use crate::visitor::{Visitor, app};

const COUNTER: Field<u64> = Field::new("counter");

#[tokio::test]
async fn requests_that_write_different_fields_both_last() {
    let app = app();
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert("a", &0).unwrap()).await;

    let slow = visitor.open(&app.sessions);
    let session = slow.load().await.unwrap();
    session.insert("b", &1).unwrap();
    visitor.request(&app.sessions, async |session| session.insert("c", &2).unwrap()).await;
    assert!(slow.finish(false).await.error.is_none());

    visitor
        .request(&app.sessions, async |session| {
            for (name, value) in [("a", 0), ("b", 1), ("c", 2)] {
                assert_eq!(session.get(name).unwrap(), Some(value), "{name}");
            }
        })
        .await;
}

#[tokio::test]
async fn an_update_is_run_again_on_what_another_request_left() {
    let app = app();
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert(COUNTER, &10).unwrap()).await;

    let slow = visitor.open(&app.sessions);
    let session = slow.load().await.unwrap();
    assert_eq!(session.update(COUNTER, |n| n.unwrap_or(0) + 1).unwrap(), 11);
    visitor.request(&app.sessions, async |session| session.insert(COUNTER, &20).unwrap()).await;
    assert!(slow.finish(false).await.error.is_none());
    assert_eq!(session.get(COUNTER).unwrap(), Some(21), "the handle shows what was stored");

    visitor
        .request(&app.sessions, async |session| {
            assert_eq!(session.get(COUNTER).unwrap(), Some(21));
        })
        .await;
}

#[tokio::test]
async fn a_removal_and_a_clearing_merge_too() {
    let app = app();
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert("a", &1).unwrap()).await;

    let removing = visitor.open(&app.sessions);
    removing.load().await.unwrap().remove("a");
    visitor.request(&app.sessions, async |session| session.insert("b", &2).unwrap()).await;
    assert!(removing.finish(false).await.error.is_none());

    let clearing = visitor.open(&app.sessions);
    clearing.load().await.unwrap().clear();
    clearing.load().await.unwrap().insert("c", &3).unwrap();
    visitor
        .request(&app.sessions, async |session| {
            assert!(!session.contains("a") && session.contains("b"));
            session.insert("d", &4).unwrap();
        })
        .await;
    assert!(clearing.finish(false).await.error.is_none());

    visitor
        .request(&app.sessions, async |session| {
            assert!(session.contains("c") && !session.contains("b") && !session.contains("d"));
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_tasks_lose_no_increment() {
    let app = Arc::new(app());
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert(COUNTER, &0).unwrap()).await;

    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (app, mut visitor) = (Arc::clone(&app), visitor.clone());
        tasks.spawn(async move {
            let mut answers = Vec::new();
            for round in 0..20 {
                visitor
                    .request(&app.sessions, async |session| {
                        if round % 2 == 0 {
                            session.update(COUNTER, |n| n.unwrap_or(0) + 1).unwrap();
                        } else {
                            let add = |n: Option<u64>| n.unwrap_or(0) + 1;
                            answers.push(session.update_now(COUNTER, add).await.unwrap());
                        }
                    })
                    .await;
            }
            answers
        });
    }
    let answers: Vec<u64> = tasks.join_all().await.concat();
    let distinct: BTreeSet<u64> = answers.iter().copied().collect();
    assert_eq!((answers.len(), distinct.len()), (640, 640), "no two calls had the same turn");
    visitor
        .request(&app.sessions, async |session| {
            assert_eq!(session.get(COUNTER).unwrap(), Some(1280));
        })
        .await;
}

#[tokio::test]
async fn clones_of_one_session_commit_one_after_the_other() {
    let app = app();
    let lazy = Visitor::default().open(&app.sessions);
    let session = lazy.load().await.unwrap();
    let commits = (0..20_u64).map(|n| {
        let session = session.clone();
        async move {
            session.insert(&format!("f{n}"), &n).unwrap();
            session.commit().await.unwrap();
        }
    });
    let mut tasks = tokio::task::JoinSet::new();
    commits.for_each(|commit| drop(tasks.spawn(commit)));
    tasks.join_all().await;
    assert_eq!(app.store.len(), 1, "one session, not twenty");

    let mut visitor = Visitor::default();
    visitor.receive(&lazy.finish(false).await);
    visitor
        .request(&app.sessions, async |session| {
            assert!((0..20_u64).all(|n| session.get(&format!("f{n}")).unwrap() == Some(n)));
        })
        .await;
}

#[tokio::test]
async fn the_end_of_a_request_tells_that_its_session_has_ended_meanwhile() {
    let app = app();
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert(COUNTER, &1).unwrap()).await;
    let mut slow = visitor.clone();
    let ((), finished) = slow
        .visit(&app.sessions, async |session| {
            session.insert(COUNTER, &2).unwrap();
            visitor.request(&app.sessions, async |session| session.destroy()).await;
        })
        .await;
    assert_eq!(finished.error.unwrap().kind(), ErrorKind::Gone);
    assert!(slow.cookie.is_none() && app.store.is_empty());
}

#[tokio::test]
async fn a_session_that_ended_meanwhile_stays_dead() {
    let app = app();
    let mut visitor = Visitor::default();
    visitor.request(&app.sessions, async |session| session.insert(COUNTER, &1).unwrap()).await;
    let cookie = visitor.clone();

    let slow = visitor.open(&app.sessions);
    let session = slow.load().await.unwrap();
    session.insert(COUNTER, &2).unwrap();
    visitor.request(&app.sessions, async |session| session.log_out()).await;
    assert!(visitor.cookie.is_none() && app.store.is_empty());

    assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::Gone);
    assert!(!session.exists() && session.handle().is_none());
    let finished = slow.finish(false).await;
    assert_eq!(finished.error.as_ref().unwrap().kind(), ErrorKind::Gone, "not a success");
    let mut late = cookie.clone();
    late.receive(&finished);
    assert!(late.cookie.is_none(), "its cookie is cleared");
    assert!(app.store.is_empty(), "nothing was created in its place");

    let mut replay = cookie;
    replay.request(&app.sessions, async |session| assert!(!session.exists())).await;
}
